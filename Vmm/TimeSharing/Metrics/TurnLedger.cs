namespace Dma.Vmm;

/// <summary>Keeps account of a controller that is shared in time: what each VM had of it, what switching cost, and how long each waited.</summary>
public sealed class TurnLedger : ITurnObserver
{
    private readonly ulong[] _phases = new ulong[Enum.GetValues<TurnPhase>().Length];
    private readonly Dictionary<VirtualMachine, Account> _accounts = [];
    private ulong _switchNs;

    /// <summary>Who sees the same.</summary>
    public ITurnObserver? Next { get; init; }

    /// <summary>The longest switch, from the end of a turn to the beginning of the next one, in nanoseconds.</summary>
    public ulong SwitchNsMax { get; private set; }

    /// <summary>Turns that are over.</summary>
    public ulong Turns { get; private set; }

    /// <summary>The part of the time in which some VM had the controller, of that in which there was work: q/(q+s).</summary>
    public double Utilisation => BusyNs == 0 ? 0 : (double)TimeOf(TurnPhase.Run) / BusyNs;

    /// <summary>All the time that was seen, in nanoseconds.</summary>
    public ulong TotalNs => _phases.Aggregate(0ul, static (sum, phase) => sum + phase);

    private ulong BusyNs => TotalNs - TimeOf(TurnPhase.Idle);

    /// <summary>How long a phase lasted in all, in nanoseconds.</summary>
    public ulong TimeOf(TurnPhase phase) => _phases[(int)phase];

    /// <summary>How long a VM had the controller, in nanoseconds.</summary>
    public ulong TimeOf(VirtualMachine machine) => Of(machine).RunNs;

    /// <summary>Turns of a VM that are over.</summary>
    public ulong TurnsOf(VirtualMachine machine) => Of(machine).Turns;

    /// <summary>The longest time from the end of a turn of a VM to the beginning of its next one, in nanoseconds.</summary>
    public ulong GapOf(VirtualMachine machine) => Of(machine).GapNsMax;

    /// <summary>Jain's index of the time that each VM had, over the time seen.</summary>
    public double Jain() => Fairness.Jain([.. _accounts.Values.Select(static account => (double)account.RunNs)]);

    /// <summary>The longest that a VM with work may wait (n VMs, turns of q, switches of s at most): (n-1)(q+s)+s.</summary>
    /// <param name="machines">How many VMs.</param>
    /// <param name="quantumNs">How long a turn is, in nanoseconds.</param>
    public ulong WaitBoundNs(int machines, ulong quantumNs) => ((ulong)(machines - 1) * (quantumNs + SwitchNsMax)) + SwitchNsMax;

    /// <inheritdoc/>
    public void Passed(in TurnSpan span)
    {
        Next?.Passed(span);
        _phases[(int)span.Phase] += span.LengthNs;
        if (span.Phase is not (TurnPhase.Run or TurnPhase.Idle))
        {
            _switchNs += span.LengthNs;
            SwitchNsMax = Math.Max(SwitchNsMax, _switchNs);
            return;
        }

        _switchNs = 0;
        if (span.Phase == TurnPhase.Run && span.Machine is { } machine)
            Turn(Of(machine), span);
    }

    private void Turn(Account account, in TurnSpan span)
    {
        Turns++;
        account.Turns++;
        account.RunNs += span.LengthNs;
        if (account.LastEndNs is { } last)
            account.GapNsMax = Math.Max(account.GapNsMax, span.StartNs - last);
        account.LastEndNs = span.EndNs;
    }

    private Account Of(VirtualMachine machine)
    {
        if (!_accounts.TryGetValue(machine, out Account? account))
            _accounts.Add(machine, account = new());
        return account;
    }

    private sealed class Account
    {
        public ulong RunNs { get; set; }

        public ulong Turns { get; set; }

        public ulong GapNsMax { get; set; }

        public ulong? LastEndNs { get; set; }
    }
}
