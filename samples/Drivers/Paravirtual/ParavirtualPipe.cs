using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The way to a bulk or interrupt endpoint: a transfer is as many requests as it needs, one after the other.</summary>
/// <param name="ring">The ring.</param>
/// <param name="device">The device.</param>
/// <param name="endpoint">What the device says of the endpoint.</param>
internal sealed class ParavirtualPipe(ParavirtualRing ring, ParavirtualConnection device, UsbEndpoint endpoint) : IUsbPipe
{
    private readonly Gate _turn = new();
    private bool _isClosed;
    private bool _isCanceled;

    /// <inheritdoc/>
    public async ValueTask<TransferResult> Transfer(DmaMapping data, ulong timeoutNs)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(data.Length, UsbLimits.TransferBytesMax);
        await _turn.Enter();
        try
        {
            _isCanceled = false;
            for (int done = 0; ;)
            {
                if (_isClosed)
                    return new(TransferStatus.Canceled, done);
                int length = ParavirtualSegments.Fitting(data, done, endpoint.Descriptor.MaxPacketSize);
                TransferResult part = await Move(data, done, length, timeoutNs);
                done += part.Bytes;
                if (!part.IsCompleted || part.Bytes < length || done == data.Length)
                    return new(part.Status, done);
            }
        }
        finally
        {
            _turn.Leave();
        }
    }

    /// <inheritdoc/>
    public void Cancel()
    {
        _isCanceled = true;
        ring.WakeAll();
    }

    /// <inheritdoc/>
    /// <remarks>Nothing to do: the host hears that the halt is cleared, and does its part.</remarks>
    public ValueTask Restart() => default;

    /// <inheritdoc/>
    public async ValueTask Close()
    {
        if (_isClosed)
            return;
        _isClosed = true;
        ring.WakeAll();
        await _turn.Enter();
        _turn.Leave();
    }

    private async ValueTask<TransferResult> Move(DmaMapping data, int offset, int length, ulong timeoutNs)
    {
        UrbSegment[] segments = ParavirtualSegments.Of(data, offset, length);
        UrbRequest request = new()
        {
            Pipe = device.PipeTo(endpoint.Address, endpoint.Descriptor.TransferType == TransferType.Interrupt ? UrbType.Interrupt : UrbType.Bulk),
            SegmentCount = (ushort)segments.Length,
            Length = (ushort)length,
        };
        UrbResponse response = await ring.Submit(request, segments, timeoutNs, () => _isClosed || _isCanceled);
        TransferStatus status = ParavirtualSegments.StatusOf(response.Status);

        // Taken back since its time was up, and not because somebody wanted it.
        if (status == TransferStatus.Canceled && !_isClosed && !_isCanceled)
            status = TransferStatus.TimedOut;
        return new(status, Math.Clamp(response.ActualLength, 0, length));
    }
}
