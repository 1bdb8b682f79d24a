using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Keeps account of one bus for the VMs that have devices there, and of how full its microframes are with periodic work.</summary>
/// <param name="bus">The bus.</param>
/// <param name="shares">The account of each VM, by its number.</param>
internal sealed class BusWatch(UsbBus bus, IReadOnlyList<BusShare> shares) : IBusShareObserver
{
    /// <summary>Periodic time that USB 2.0 lets be reserved in a microframe, in nanoseconds.</summary>
    private const double PeriodicNsMax = SharedUsbController.PeriodicNsMax;

    private ulong _microframe;
    private ulong _periodicNs;
    private ulong _periodicNsMax;

    /// <summary>The largest part of the time for periodic work that was used in one microframe; more than 1 is over-allocation.</summary>
    public double PeriodicLoadMax => Math.Max(_periodicNs, _periodicNsMax) / PeriodicNsMax;

    /// <inheritdoc/>
    public void BusUsed(in BusUse use)
    {
        BusShare share = shares[use.Set];
        share.Gap.Served(use.StartNs, use.StartNs + use.WireNs);
        share.TimeNs += use.WireNs;
        if (!use.IsPeriodic)
            return;
        ulong microframe = bus.Frames.Count(use.StartNs);
        if (microframe != _microframe)
            (_microframe, _periodicNs, _periodicNsMax) = (microframe, 0, Math.Max(_periodicNs, _periodicNsMax));
        _periodicNs += use.WireNs;
    }
}
