using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The way to endpoint 0: one request, one answer.</summary>
/// <param name="ring">The ring.</param>
/// <param name="device">The device.</param>
/// <param name="turn">One request of the device at a time.</param>
internal sealed class ParavirtualControlPipe(ParavirtualRing ring, ParavirtualConnection device, Gate turn) : IUsbControlPipe
{
    /// <inheritdoc/>
    public async ValueTask<TransferResult> Request(SetupPacket setup, DmaMapping data, ulong timeoutNs)
    {
        await turn.Enter();
        try
        {
            UrbSegment[] segments = setup.Length == 0 ? [] : ParavirtualSegments.Of(data, 0, setup.Length);
            UrbRequest request = new()
            {
                Pipe = device.PipeTo(setup is { In: true, Length: not 0 } ? (byte)0x80 : (byte)0, UrbType.Control),
                SegmentCount = (ushort)segments.Length,
                Length = setup.Length,
                Setup = setup.Raw.Value,
            };
            UrbResponse response = await ring.Submit(request, segments, timeoutNs);
            return new(ParavirtualSegments.StatusOf(response.Status), Math.Clamp(response.ActualLength, 0, setup.Length));
        }
        finally
        {
            turn.Leave();
        }
    }
}
