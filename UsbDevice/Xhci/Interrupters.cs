using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>All interrupters of a controller: where events go, and how the processor hears of them (xHCI, interrupters).</summary>
internal sealed class Interrupters
{
    private readonly Interrupter[] _all;
    private readonly XhciRegisters _registers;
    private readonly IXhciSignals _signals;

    /// <summary>Interrupters without event rings.</summary>
    public Interrupters(XhciRegisters registers, XhciMemory memory, IXhciSignals signals, XhciOptions options, XhciStatistics statistics)
    {
        (_registers, _signals) = (registers, signals);
        int segments = 1 << options.SegmentTableMax;
        _all = [.. Enumerable.Range(0, options.InterrupterCount).Select(index => new Interrupter(registers, index, new(memory, statistics, segments), statistics))];
    }

    /// <summary>Whether an event ring makes no sense: the controller cannot go on.</summary>
    public bool AreBroken
    {
        get
        {
            foreach (Interrupter interrupter in _all)
            {
                if (interrupter.Ring.IsBroken)
                    return true;
            }

            return false;
        }
    }

    /// <summary>Whether an interrupt waits for the interval of moderation or for its handler, or events wait for room.</summary>
    public bool AreWanted
    {
        get
        {
            foreach (Interrupter interrupter in _all)
            {
                if (interrupter.IsWanted || interrupter.Ring.IsFull)
                    return true;
            }

            return false;
        }
    }

    /// <summary>All of them, that with number 0 first.</summary>
    public IReadOnlyList<Interrupter> All => _all;

    /// <summary>A reset.</summary>
    public void Reset()
    {
        foreach (Interrupter interrupter in _all)
            interrupter.Reset();
    }

    /// <summary>Whether the event ring of an interrupter takes more; what would make events for it waits until it does.</summary>
    public bool HasRoom(int interrupter) => !Target(interrupter).Ring.IsFull;

    /// <summary>Puts an event onto the ring of an interrupter.</summary>
    /// <param name="interrupter">Which one; 0 in place of one that is not there.</param>
    /// <param name="trb">The event.</param>
    /// <param name="blocksInterrupt">BEI: it does not interrupt.</param>
    public void Add(int interrupter, Trb trb, bool blocksInterrupt = false) => Target(interrupter).Add(trb, blocksInterrupt);

    /// <summary>A register was written.</summary>
    /// <param name="write">Which one, and what.</param>
    /// <param name="nowNs">The time.</param>
    public void Written(in Machine.RegisterWrite write, ulong nowNs)
    {
        int at = write.Offset - XhciRegisters.FirstInterrupter;
        _all[at / XhciRuntimeOffsets.InterrupterStride].Written(at % XhciRuntimeOffsets.InterrupterStride, write.Before, write.EnabledBytes, nowNs);
    }

    /// <summary>Brings the counters of moderation into their registers.</summary>
    public void Sync(ulong nowNs)
    {
        foreach (Interrupter interrupter in _all)
            interrupter.Sync(nowNs);
    }

    /// <summary>Interrupts that are wanted and due become pending, and go out where software lets them.</summary>
    public void Settle(ulong nowNs)
    {
        bool isEnabled = _registers.UsbCommand.InterruptEnable;
        bool usesMessages = _signals.UsesMessages;
        foreach (Interrupter interrupter in _all)
        {
            if (interrupter.Settle(nowNs))
                _registers.UsbStatus = _registers.UsbStatus with { EventInterrupt = true };
            if (!isEnabled || !usesMessages || !interrupter.IsAsserted)
                continue;
            interrupter.Sent(nowNs);
            _signals.Send(interrupter.Index);
        }

        _signals.SetLevel(isEnabled && !usesMessages && _all[0].IsAsserted);
    }

    /// <summary>When the next wanted interrupt becomes pending, unless something else happens.</summary>
    public ulong DueNs(ulong nowNs)
    {
        ulong next = Interrupter.Never;
        foreach (Interrupter interrupter in _all)
            next = Math.Min(next, interrupter.DueNs(nowNs));
        return next;
    }

    private Interrupter Target(int interrupter) => _all[interrupter < _all.Length ? interrupter : 0];
}
