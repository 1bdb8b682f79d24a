using Dma.Machine;

namespace Dma.Vmm;

/// <summary>When the processor of a VM runs, as the host decides and the guest asks.</summary>
/// <remarks>
/// <code>
///                 Halt (an exit)                        Preempt (an exit)
///              +-----------------> Halted   Running -------------------> Preempted
///           Running &lt;---- an interrupt is due   ^                             |
///                                               +---- Enter, urgent interrupt +
/// </code>
/// It is about interrupts alone: software that waits for time goes on. A VM begins in <see cref="GuestState.Running"/>.
/// </remarks>
public sealed class GuestSchedule
{
    private readonly Processor _processor;
    private readonly InterruptGates _gates;
    private ulong _ranNs;
    private ulong _enteredNs;

    internal GuestSchedule(Processor processor, InterruptGates gates)
    {
        (_processor, _gates, _enteredNs) = (processor, gates, processor.Loop.NowNs);
        gates.WaitingOutside = Wake;
    }

    /// <summary>What it does.</summary>
    public GuestState State { get; private set; }

    /// <summary>How often it was entered after it had halted or been preempted.</summary>
    public ulong Entries { get; private set; }

    /// <summary>How long it has run so far, in nanoseconds.</summary>
    public ulong RunTimeNs => _ranNs + (State == GuestState.Running ? _processor.Loop.NowNs - _enteredNs : 0);

    /// <summary>How its interrupts are posted; null while none are.</summary>
    internal PostedInterrupts? Posting { get; set; }

    /// <summary>Runs it; nothing happens where it runs already.</summary>
    public void Enter()
    {
        if (State == GuestState.Running)
            return;
        _enteredNs = _processor.Loop.NowNs;
        State = GuestState.Running;
        Entries++;
        Posting?.Enter();
        _gates.IsOpen = true;
    }

    /// <summary>It executes HLT: an exit, and it runs again when an interrupt is due; nothing happens where it does not run.</summary>
    public void Halt()
    {
        if (State != GuestState.Running)
            return;
        Leave(GuestState.Halted);
        if (_gates.Apic.IsDue)
            Wake();
    }

    /// <summary>The host takes its processor away: an exit, unless it had halted.</summary>
    public void Preempt()
    {
        if (State != GuestState.Preempted)
            Leave(GuestState.Preempted);
    }

    // An interrupt is due, and the gates are closed.
    private void Wake()
    {
        if (State == GuestState.Halted)
            Enter();
    }

    // The gates close before the state changes: nothing is due that was not taken.
    private void Leave(GuestState next)
    {
        if (State == GuestState.Running)
            _processor.Charge(Cost.Exit);
        _gates.IsOpen = false;
        _ranNs = RunTimeNs;
        State = next;
        Posting?.Leave(next);
    }
}
