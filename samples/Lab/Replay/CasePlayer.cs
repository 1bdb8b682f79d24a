using Dma.Machine;

namespace Dma.Lab;

/// <summary>Plays a recorded script on a unit of ours and judges each answer.</summary>
internal sealed class CasePlayer : IDisposable
{
    private const ulong FaultBit = 1ul << 63;

    private readonly RecordedCase _case;
    private readonly ReplayMachine _machine;
    private readonly RegisterNames _names;
    private readonly ScriptState _state;
    private readonly Explainer _explainer;
    private readonly SortedSet<string> _rules = new(StringComparer.Ordinal);
    private readonly List<Difference> _deviations = [];
    private OurOutcome? _access;
    private bool _recordHolds;

    private CasePlayer(RecordedCase recorded, ulong ramBytes, DeviationRules rules)
    {
        _case = recorded;
        _machine = new(recorded, ramBytes);
        _names = new(recorded.Hardware);
        _state = new(recorded.Hardware, _machine.Memory, rules.Queue);
        _explainer = new(_state, rules);
    }

    /// <summary>Plays a case from power-on, up to the first difference that no rule explains.</summary>
    /// <param name="recorded">The case.</param>
    /// <param name="ramBytes">Bytes of memory from address 0 on.</param>
    /// <param name="rules">The rules.</param>
    public static CaseVerdict Play(RecordedCase recorded, ulong ramBytes, DeviationRules rules)
    {
        using CasePlayer player = new(recorded, ramBytes, rules);
        return player.Play();
    }

    /// <inheritdoc/>
    public void Dispose() => _machine.Dispose();

    private CaseVerdict Play()
    {
        foreach (RecordedStep step in _case.Steps)
        {
            _state.Begin(step);
            Difference? difference = Play(step);
            if (difference is not null)
            {
                if (_explainer.Explain(difference) is not { } causes)
                    return Verdict(CaseOutcome.Failed, difference);
                _rules.UnionWith(causes);
                _deviations.Add(difference);
            }

            if (_access is { } access)
                _state.Remember(step, access);
            _access = null;
            _explainer.End(step);
        }

        return Verdict(_deviations.Count == 0 ? CaseOutcome.Passed : CaseOutcome.Deviates);
    }

    private CaseVerdict Verdict(CaseOutcome outcome, Difference? failure = null) => new(_case, outcome, failure, [.. _rules], _deviations);

    private Difference? Play(RecordedStep step)
    {
        switch (step.Kind)
        {
            case StepKind.MemoryWrite:
                _ = _machine.Memory.TryWrite(new PhysicalAddress(step.Address), step.Bytes);
                return null;
            case StepKind.MemoryRead:
                byte[] found = new byte[step.Length];
                _ = _machine.Memory.TryRead(new PhysicalAddress(step.Address), found.AsSpan());
                return found.AsSpan().SequenceEqual(step.ExpectedBytes) ? null : new MemoryDifference(step, found);
            case StepKind.RegisterWrite:
                _machine.Write(step.Offset, step.Size, step.Value);
                return null;
            case StepKind.RegisterRead:
                return CompareRegister(step);
            case StepKind.DmaRead:
                return CompareAccess(step, _machine.DmaRead(step));
            case StepKind.DmaWrite:
                return CompareAccess(step, _machine.DmaWrite(step));
            case StepKind.Message:
                return CompareAccess(step, _machine.Send(step));
            case StepKind.InterruptCheck:
                _state.LookAtMessages();
                IReadOnlyList<RecordedInterrupt> arrived = _machine.TakeInterrupts();
                return arrived.SequenceEqual(step.ExpectedInterrupts) ? null : new InterruptDifference(step, step.ExpectedInterrupts, arrived);
            default:
                return null;
        }
    }

    private RegisterDifference? CompareRegister(RecordedStep step)
    {
        (string name, int offset, _) = _names.At(step.Offset);
        int shift = 8 * (step.Offset - offset);
        ulong recorded = step.ExpectedValue << shift;
        ulong ours = _machine.Read(step.Offset, step.Size) << shift;
        ulong mask = ulong.MaxValue;
        if (name == "FRCD_HI")
        {
            // The low half says nothing of F, which masks it; what was last seen of it does.
            bool hasFault = step.Size == 8 || shift != 0 ? (recorded & FaultBit) != 0 : _recordHolds;
            _recordHolds = hasFault;
            mask = OutcomeComparison.RecordMask(recorded | (hasFault ? FaultBit : 0));
        }
        else if (name == "FRCD_LO" && !_recordHolds)
        {
            mask = 0;
        }

        return ((recorded ^ ours) & mask) == 0 ? null : new(step, name, recorded & mask, ours & mask);
    }

    private OutcomeDifference? CompareAccess(RecordedStep step, OurOutcome ours)
    {
        _access = ours;
        _state.Access(step, ours);
        _state.LookAtMessages();
        RecordedOutcome recorded = step.ExpectedOutcome!;
        _recordHolds = (recorded.RecordHigh & FaultBit) != 0;
        (List<string> expected, List<string> got) = OutcomeComparison.Compare(recorded, ours);
        return expected.Count == 0 ? null : new(step, ours, string.Join("; ", expected), string.Join("; ", got));
    }
}
