using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>The account of a bus that VMs share, while it is open, and the uses of the last whole microframe.</summary>
/// <param name="bus">The bus, or one of several with the same frames.</param>
/// <param name="names">What the VMs are called, by number.</param>
/// <param name="next">Who sees the same, open or not; null for nobody.</param>
internal sealed class BusAccount(UsbBus bus, IReadOnlyList<string> names, IBusShareObserver? next = null) : IBusShareObserver
{
    private const int MicroframesKept = 4096;

    private readonly List<BusUse> _uses = [];
    private List<BusUse> _last = [];
    private ulong _microframe;
    private bool _isOpen;

    /// <summary>What each VM had while it was open; null where it never was.</summary>
    public BusLedger? Ledger { get; private set; }

    /// <summary>From here on it counts; the controller runs.</summary>
    /// <param name="nowNs">The time.</param>
    public BusLedger Open(ulong nowNs)
    {
        _isOpen = true;
        return Ledger = new(names.Count, bus.Frames.StartOf(bus.Frames.Count(nowNs)), MicroframesKept);
    }

    /// <summary>What comes from here on is not counted.</summary>
    public void Close() => _isOpen = false;

    /// <summary>The microframes in which most VMs had the bus.</summary>
    public BusStrip Strip() => Ledger is { } ledger ? BusStrip.Of(ledger, names) : new(0, []);

    /// <summary>The uses of the last microframe that is over.</summary>
    public IReadOnlyList<MicroframeUse> LastWhole()
    {
        if (_last.Count == 0)
            return [];
        ulong start = Ledger!.StartOf(Ledger.MicroframeOf(_last[0].StartNs));
        return [.. _last.Select(use => new MicroframeUse(use.Set, (uint)(use.StartNs - start), use.WireNs, use.IsPeriodic))];
    }

    /// <inheritdoc/>
    public void BusUsed(in BusUse use)
    {
        next?.BusUsed(use);
        if (!_isOpen)
            return;
        Ledger!.BusUsed(use);
        if (Ledger.Last != _microframe)
        {
            _last = [.. _uses];
            _uses.Clear();
            _microframe = Ledger.Last;
        }

        _uses.Add(use);
    }

    /// <inheritdoc/>
    public void TokenHandled(in TokenUse use) => next?.TokenHandled(use);

    /// <inheritdoc/>
    public void AddressChanged(in AddressChange change) => next?.AddressChanged(change);

    /// <inheritdoc/>
    public void AddressZeroMoved(int owner, ulong nowNs) => next?.AddressZeroMoved(owner, nowNs);
}
