using Dma.Machine;

namespace Dma.Lab;

/// <summary>Says which rules explain a difference, if any do, and holds our side of it against the manual's models.</summary>
/// <param name="state">What the script has done.</param>
/// <param name="rules">The rules.</param>
internal sealed class Explainer(ScriptState state, DeviationRules rules)
{
    private readonly OutcomeExplainer _outcomes = new(state, rules);
    private readonly RegisterNames _names = new(state.Hardware);
    private HashSet<string> _faultCauses = [];
    private bool _lateWithdrawal;
    private bool _recordCleared;
    private bool _statusCleared;

    /// <summary>The rules that explain a difference.</summary>
    /// <param name="difference">The difference.</param>
    /// <returns>Null where nothing explains it.</returns>
    public IReadOnlySet<string>? Explain(Difference difference) => difference switch
    {
        RegisterDifference register => Register(register),
        MemoryDifference memory => Memory(memory),
        InterruptDifference interrupts => Interrupts(interrupts),
        OutcomeDifference outcome => Outcome(outcome),
        _ => null,
    };

    /// <summary>A step ended: once software has cleared both status and record, earlier differences show no more.</summary>
    public void End(RecordedStep step)
    {
        if (step.Kind != StepKind.RegisterWrite)
            return;
        _recordCleared |= _names.At(step.Offset).Name == "FRCD_HI";
        _statusCleared |= _names.At(step.Offset).Name == "FSTS";
        if (!_recordCleared || !_statusCleared)
            return;
        _recordCleared = _statusCleared = false;
        _faultCauses = [];
    }

    // Each differing bit must be explained by a rule for its field, or by what models of both sides hold.
    private HashSet<string>? Register(RegisterDifference difference)
    {
        HashSet<string> causes = [];
        ulong remaining = difference.Recorded ^ difference.Ours;
        RuleContext context = Context(difference.Step, []);
        foreach (DeviationRule rule in rules.Rules.Where(rule => rule.Registers.Count != 0 && context.Meets(rule)))
        {
            foreach (RegisterFieldRule field in rule.Registers.Where(field => field.Register == difference.Register))
            {
                ulong mask = Bits64.Mask(field.High, field.Low);
                if ((remaining & mask) == 0 || !Matches(field, difference, context))
                    continue;
                remaining &= ~mask;
                _ = causes.Add(rule.Id);
            }
        }

        remaining = ExplainByQueues(difference, remaining, causes);
        remaining = ExplainByFaultLogs(difference, remaining, causes);
        return remaining == 0 ? causes : null;
    }

    private static bool Matches(RegisterFieldRule field, RegisterDifference difference, RuleContext context)
    {
        ulong Value(string text) => text == "written"
            ? new Bits64(context.Written(field.Register)).Bits(field.High, field.Low)
            : Convert.ToUInt64(text, 16);

        // A half of a register may be all that was read.
        ulong read = difference.Step.Size == 4 && difference.Step.Offset % 8 == 4 && context.State.WidthOf(field.Register) == 8 ? ~0xFFFF_FFFFul
            : difference.Step.Size == 4 ? 0xFFFF_FFFF
            : ulong.MaxValue;
        ulong mask = Bits64.Mask(field.High, field.Low) & read;
        return (difference.Recorded & mask) == ((Value(field.Recorded) << field.Low) & mask)
            && (difference.Ours & mask) == ((Value(field.Ours) << field.Low) & mask);
    }

    // The bits that are exactly what the recorder's queue has, and on our side what the manual's queue has.
    private ulong ExplainByQueues(RegisterDifference difference, ulong remaining, HashSet<string> causes)
    {
        (ulong Mask, ulong Manual, ulong Recorder)? about = difference.Register switch
        {
            "IQH" => (ulong.MaxValue, state.Manual.Head, state.Recorder.Head),
            "IQA" => (ulong.MaxValue, state.Manual.AddressRead, state.Recorder.AddressRead),
            "IQERCD" => (0xF, state.Manual.ErrorRecord, state.Recorder.ErrorRecord),
            "ICS" => (1, state.Manual.CompletionStatus, state.Recorder.CompletionStatus),
            "IECTL" => (ulong.MaxValue, state.Manual.Completion.Control, state.Recorder.Completion.Control),
            "GSTS" => (1ul << 26, state.Manual.IsEnabled ? 1ul << 26 : 0, state.Recorder.IsEnabled ? 1ul << 26 : 0),
            "FSTS" => (1ul << 4, state.Manual.IsStopped ? 1ul << 4 : 0, state.Recorder.IsStopped ? 1ul << 4 : 0),
            _ => null,
        };
        if (about is not { } queues)
            return remaining;
        ulong explained = remaining & queues.Mask & ~(difference.Ours ^ queues.Manual) & ~(difference.Recorded ^ queues.Recorder);
        if (explained != 0)
            causes.UnionWith(QueueCauses(difference.Register));
        return remaining & ~explained;
    }

    private IEnumerable<string> QueueCauses(string register)
    {
        QueueBehaviour used = register switch
        {
            "IQA" => QueueBehaviour.AddressReadsLatched,
            "IQERCD" => state.Recorder.Used,
            _ => state.Recorder.Used & ~(QueueBehaviour.AddressReadsLatched | QueueBehaviour.NoErrorRecord),
        };
        return rules.Rules.Where(rule => (rule.Queue & used) != 0).Select(rule => rule.Id);
    }

    // The bits that are exactly what the recorder's fault log has, and on our side what the manual's has.
    private ulong ExplainByFaultLogs(RegisterDifference difference, ulong remaining, HashSet<string> causes)
    {
        (ulong Manual, ulong Recorder)? about = difference.Register switch
        {
            "FSTS" => (state.Faults.Status, state.RecorderFaults.Status),
            "FECTL" => (state.Faults.Event.Control, state.RecorderFaults.Event.Control),
            "FRCD_LO" => (state.Faults.Low, state.RecorderFaults.Low),
            "FRCD_HI" => (state.Faults.High, state.RecorderFaults.High),
            _ => null,
        };
        if (about is not { } logs || FaultCauses() is not { Count: not 0 } reasons)
            return remaining;
        ulong explained = remaining & ~(difference.Ours ^ logs.Manual) & ~(difference.Recorded ^ logs.Recorder);
        if (explained != 0)
            causes.UnionWith(reasons);
        return remaining & ~explained;
    }

    // What made the logs differ; a difference in the pending event alone comes from the way it is taken back.
    private HashSet<string> FaultCauses()
    {
        HashSet<string> causes = [.. _faultCauses];
        if (causes.Count == 0 && state.Recorder.IsStopped != state.Manual.IsStopped)
            causes.UnionWith(QueueCauses(""));
        if (causes.Count == 0 && state.RecorderFaults.Event.IsPending != state.Faults.Event.IsPending)
            _lateWithdrawal = true;
        if (_lateWithdrawal)
            causes.UnionWith(rules.Rules.Where(rule => rule.Withdrawal).Select(rule => rule.Id));
        return causes;
    }

    private HashSet<string>? Memory(MemoryDifference difference)
    {
        HashSet<string> causes = [];
        for (int at = 0; at < difference.Ours.Length; at++)
        {
            if (difference.Ours[at] == difference.Step.ExpectedBytes[at])
                continue;
            if (IsStatusOfAWait(difference, at))
                causes.UnionWith(QueueCauses(""));
            else if (IsDirtyBit(difference, at))
                causes.UnionWith(rules.Rules.Where(rule => rule.Dirty).Select(rule => rule.Id));
            else
                return null;
        }

        return causes.Count == 0 ? null : causes;
    }

    private bool IsStatusOfAWait(MemoryDifference difference, int at)
    {
        ulong address = difference.Step.Address + (ulong)at;
        ulong word = address & ~3ul;
        if (!state.Manual.WordsBefore.TryGetValue(word, out uint before) && !state.Recorder.WordsBefore.TryGetValue(word, out before))
            return false;
        uint ours = state.Manual.StatusWords.GetValueOrDefault(word, before);
        uint recorded = state.Recorder.StatusWords.GetValueOrDefault(word, before);
        int shift = 8 * (int)(address & 3);
        return difference.Ours[at] == (byte)(ours >> shift) && difference.Step.ExpectedBytes[at] == (byte)(recorded >> shift);
    }

    private bool IsDirtyBit(MemoryDifference difference, int at)
    {
        ulong address = difference.Step.Address + (ulong)at;
        return state.IsDirtied(address) && difference.Ours[at] == (difference.Step.ExpectedBytes[at] | 0x40) && (difference.Step.ExpectedBytes[at] & 0x40) == 0;
    }

    // Messages of the unit itself are those that the events of both sides send.
    private HashSet<string>? Interrupts(InterruptDifference difference)
    {
        HashSet<string> causes = [.. FaultCauses(), .. QueueCauses("")];
        bool explained = difference.Ours.SequenceEqual(state.MessagesDue) && difference.Recorded.SequenceEqual(state.RecorderMessagesDue);
        return causes.Count != 0 && explained ? causes : null;
    }

    private HashSet<string>? Outcome(OutcomeDifference difference)
    {
        OurOutcome ours = difference.Ours;
        if (Destinations(difference) is { } destinations)
            return destinations;
        if (_outcomes.Explain(difference.Step, ours) is not { } causes || !IsConsistent(difference.Step, ours))
            return null;
        _faultCauses.UnionWith(causes);
        if (causes.Count != 0)
            return causes;

        // The access came to the same; what shows in the registers is what earlier steps left, or a queue that goes on.
        HashSet<string> earlier = [.. _faultCauses, .. QueueCauses("")];
        return earlier.Count != 0 ? earlier : null;
    }

    // The same in everything but the upper bits of a destination, and those are what the entry says.
    private HashSet<string>? Destinations(OutcomeDifference difference)
    {
        RecordedOutcome recorded = difference.Step.ExpectedOutcome!;
        if (!Context(difference.Step, []).Interrupt?.IsExtended ?? true)
            return null;
        bool same = OutcomeComparison.Compare(recorded with { Interrupts = difference.Ours.Interrupts }, difference.Ours).Expected.Count == 0;
        bool narrowed = recorded.Interrupts.SequenceEqual(difference.Ours.Interrupts.Select(ours => ours with { Destination = (byte)ours.Destination }));
        return same && narrowed && IsConsistent(difference.Step, difference.Ours)
            ? [.. rules.Rules.Where(rule => rule.Destination).Select(rule => rule.Id)]
            : null;
    }

    private bool IsConsistent(RecordedStep step, OurOutcome ours)
    {
        IReadOnlyList<RecordedInterrupt> due = state.MessagesDue;
        if (ours.Status == DmaResult.Ok && Context(step, []).Interrupt?.Remapped is { } remapped)
            due = [remapped, .. due];
        return ours.FaultStatus == state.Faults.Status
            && ours.RecordHigh == state.Faults.High
            && ours.RecordLow == state.Faults.Low
            && ours.Interrupts.SequenceEqual(due)
            && IsConsistent(step, step.ExpectedOutcome!);
    }

    // What was recorded must hang together too: the registers after the faults, the messages after the events.
    private bool IsConsistent(RecordedStep step, RecordedOutcome recorded)
    {
        FaultLogModel log = state.RecorderFaults;
        bool holds = recorded.RecordHigh >> 63 != 0;
        bool tellsOne = !recorded.TellsFaults || (recorded.Status == DmaResult.Blocked) == (recorded.Suppressed || recorded.Faults.Count != 0);
        bool isOfItsKind = recorded.TellsFaults || !holds || (recorded.RecordLow << 16 == 0 && (byte)(recorded.RecordHigh >> 32) is >= 0x20 and <= 0x26);
        return tellsOne
            && isOfItsKind
            && recorded.FaultStatus == log.Status
            && holds == (log.High >> 63 != 0)
            && (!holds || (((recorded.RecordHigh ^ log.High) & OutcomeComparison.RecordMask(recorded.RecordHigh)) == 0 && recorded.RecordLow == log.Low))
            && (recorded.Interrupts.SequenceEqual(state.RecorderMessagesDue) || IsThatOf(step, recorded.Interrupts));
    }

    // The interrupt that a device asked for came first, as the table or the request itself has it, with eight bits of its destination.
    private bool IsThatOf(RecordedStep step, IReadOnlyList<RecordedInterrupt> recorded)
    {
        if (step.ExpectedOutcome!.Status != DmaResult.Ok || Context(step, []).Interrupt is not { } request)
            return false;
        RecordedInterrupt? asked = request.IsRemappable ? request.Remapped : RecordedInterrupt.Of(new(request.Address, request.Data));
        return asked is { } interrupt && recorded.SequenceEqual([interrupt with { Destination = (byte)interrupt.Destination }, .. state.RecorderMessagesDue]);
    }

    private RuleContext Context(RecordedStep step, byte[] data) => new(state, step, state.Follow(step.Source, step.Address), data);
}
