using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Adds up what the packets of a high-speed bus take of each microframe (U5).</summary>
internal sealed class MicroframeWatch(UsbBus bus, EventLoop loop) : IPacketObserver
{
    private ulong _microframe;
    private ulong _usedNs;

    /// <summary>What packets took of the fullest microframe, in nanoseconds; time-outs are left out.</summary>
    public ulong UsedNsMax { get; private set; }

    public void Transaction(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake)
    {
        ulong microframe = bus.Frames.Count(loop.NowNs);
        if (microframe != _microframe)
            (_microframe, _usedNs) = (microframe, 0);
        _usedNs += WireTime.HighSpeed(data.Length);
        UsedNsMax = Math.Max(UsedNsMax, _usedNs);
    }
}
