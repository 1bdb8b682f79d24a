using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Sees every packet of a bus, and keeps account of whose it is. Devices tell VMs apart, so it is the same for every mechanism.</summary>
/// <param name="bus">The bus.</param>
/// <param name="loop">Whose time it is.</param>
/// <param name="shares">The account of each VM, by its device.</param>
internal sealed class BusWatch(UsbBus bus, EventLoop loop, IReadOnlyDictionary<IUsbDevice, BusShare> shares) : IPacketObserver
{
    /// <summary>Periodic time that USB 2.0 lets be reserved in a microframe, in nanoseconds.</summary>
    private const double PeriodicNsMax = SharedUsbController.PeriodicNsMax;

    private ulong _microframe;
    private ulong _periodicNs;
    private ulong _periodicNsMax;

    /// <summary>The largest part of the time for periodic work that was used in one microframe; more than 1 is over-allocation.</summary>
    public double PeriodicLoadMax => Math.Max(_periodicNs, _periodicNsMax) / PeriodicNsMax;

    /// <inheritdoc/>
    public void Transaction(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake)
    {
        if (bus.Find(token.Address) is not { } device || !shares.TryGetValue(device, out BusShare? share))
            return;
        bool isPeriodic = share.IsPeriodic && token.Endpoint != 0;
        ulong ns = isPeriodic && handshake == UsbPid.None ? WireTime.HighSpeedIsochronous(data.Length) : WireTime.HighSpeed(data.Length);
        share.Gap.Served(loop.NowNs, loop.NowNs + ns);
        share.TimeNs += ns;
        if (!isPeriodic)
            return;
        ulong microframe = bus.Frames.Count(loop.NowNs);
        if (microframe != _microframe)
            (_microframe, _periodicNs, _periodicNsMax) = (microframe, 0, Math.Max(_periodicNs, _periodicNsMax));
        _periodicNs += ns;
    }
}
