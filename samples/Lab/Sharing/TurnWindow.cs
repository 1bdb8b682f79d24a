using Dma.Vmm;

namespace Dma.Lab;

/// <summary>While it is open: the account of turns, the turns themselves, and interrupts that reach a VM while another one has the controller.</summary>
/// <param name="next">Who sees all turns; may be null.</param>
internal sealed class TurnWindow(ITurnObserver? next) : ITurnObserver
{
    private readonly List<TurnSpan> _spans = [];
    private readonly Dictionary<VirtualMachine, (ulong Forwarded, ulong Strays)> _interrupts = [];
    private TimeSharedController? _sharing;

    /// <summary>The account.</summary>
    public TurnLedger Ledger { get; } = new();

    /// <summary>The turns.</summary>
    public IReadOnlyList<TurnSpan> Spans => _spans;

    /// <summary>From here on it counts.</summary>
    public void Open(TimeSharedController sharing)
    {
        sharing.EndSpan();
        foreach (VirtualMachine machine in sharing.Machines)
            _interrupts[machine] = (sharing.InterruptsForwarded(machine), 0);
        _sharing = sharing;
    }

    /// <summary>It counts no more.</summary>
    public void Close()
    {
        _sharing?.EndSpan();
        _sharing = null;
    }

    /// <summary>Interrupts that a VM got while another one had the controller.</summary>
    public ulong StraysOf(VirtualMachine machine) => _interrupts[machine].Strays;

    /// <inheritdoc/>
    public void Passed(in TurnSpan span)
    {
        next?.Passed(span);
        if (_sharing is not { } sharing)
            return;
        Ledger.Passed(span);
        _spans.Add(span);
        foreach (VirtualMachine machine in sharing.Machines)
        {
            (ulong before, ulong strays) = _interrupts[machine];
            ulong forwarded = sharing.InterruptsForwarded(machine);
            _interrupts[machine] = (forwarded, strays + (span.Machine == machine ? 0 : forwarded - before));
        }
    }
}
