using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The way to endpoint 0: a request is a SETUP stage, data where there is any, and a status the other way.</summary>
/// <param name="memory">Where structures lie.</param>
/// <param name="pipe">The queue of the endpoint; each descriptor brings its data toggle.</param>
internal sealed class EhciControlPipe(EhciMemory memory, EhciPipe pipe) : IUsbControlPipe
{
    private readonly Gate _turn = new();
    private readonly int _setup = memory.TakeSmall();

    /// <inheritdoc/>
    public async ValueTask<TransferResult> Request(SetupPacket setup, DmaMapping data, ulong timeoutNs)
    {
        bool hasData = setup.Length != 0;
        bool isIn = hasData && setup.In;
        if (hasData && !memory.CanReach(data))
            return new(TransferStatus.NotMapped, 0);
        await _turn.Enter();
        try
        {
            memory.Write(_setup, setup);
            EhciQueue.Stage request = new(PacketId.Setup, new(memory.DeviceAddress(_setup)), SetupPacket.Size, Toggle: false, IsData: false);
            EhciQueue.Stage contents = new(isIn ? PacketId.In : PacketId.Out, data.DeviceAddress, setup.Length, Toggle: true, IsData: true);
            EhciQueue.Stage status = new(isIn ? PacketId.Out : PacketId.In, default, 0, Toggle: true, IsData: false);
            return await pipe.Execute(hasData ? [request, contents, status] : [request, status], timeoutNs);
        }
        finally
        {
            _turn.Leave();
        }
    }

    /// <summary>Closes the pipe.</summary>
    public async ValueTask Close()
    {
        await pipe.Close();
        memory.ReturnSmall(_setup);
    }
}
