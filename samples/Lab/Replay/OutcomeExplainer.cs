using System.Globalization;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>Finds the rules that lead from what a DMA came to on the recorder to what it came to on our unit.</summary>
/// <param name="state">What the script has done.</param>
/// <param name="rules">The rules.</param>
internal sealed class OutcomeExplainer(ScriptState state, DeviationRules rules)
{
    // A fault is renumbered, told to be another one, and suppressed: no chain of rules is longer.
    private const int ChainMax = 4;
    private const string Ok = "ok";
    private const string Dropped = "dropped";
    private const ulong PageMask = 0xFFF;
    private static readonly SourceId _nobody = new(ushort.MaxValue);

    /// <summary>Explains the outcome itself; registers are another matter.</summary>
    /// <param name="step">The step.</param>
    /// <param name="ours">What it came to.</param>
    /// <returns>The rules, none where the access came to the same; null where nothing explains it.</returns>
    public HashSet<string>? Explain(RecordedStep step, OurOutcome ours)
    {
        RecordedOutcome recorded = WithFaults(step);
        if (IsStale(step, ours) is { } stale)
            return stale;
        HashSet<string> causes = [];
        if (IsAnonymous(step, recorded))
        {
            causes.UnionWith(rules.Rules.Where(rule => rule.Anonymous).Select(rule => rule.Id));
            recorded = recorded with { Status = DmaResult.Blocked, Faults = [new(step.Source, (int)(byte)(recorded.RecordHigh >> 32), recorded.RecordLow, true)] };
        }

        foreach ((string from, string to, ulong address) in Pairs(step, recorded, ours))
        {
            RuleContext context = new(state, step, state.Follow(step.Source, address), ours.Data);
            bool isEmpty = step.Kind != StepKind.Message && !IsBacked(step, address);
            HashSet<string>? chain = Chain(from, to, context)
                ?? (isEmpty ? Chain(PastEmptiness(from), PastEmptiness(to), context) : null);
            if (chain is null)
                return null;
            causes.UnionWith(chain);
        }

        if (causes.Count != 0)
            return MovedWhatItShould(step, ours) && RecordedWhatItShould(step, recorded) ? causes : null;
        return MovedTheSame(recorded, ours) ? causes : null;
    }

    /// <summary>The faults that a step met on the recorder; of interrupts the record alone tells.</summary>
    /// <param name="step">The step.</param>
    /// <param name="held">Whether the record held a fault before.</param>
    public static IReadOnlyList<RecordedFault> FaultsOf(RecordedStep step, bool held)
    {
        RecordedOutcome recorded = step.ExpectedOutcome!;
        if (recorded.TellsFaults)
            return recorded.Faults;
        bool isNew = recorded.RecordHigh >> 63 != 0 && !held;
        if (!isNew && recorded.Status != DmaResult.Blocked)
            return [];
        SourceId source = step.Kind == StepKind.Message ? step.Source : _nobody;
        return recorded.RecordHigh >> 63 != 0 ? [new(source, (int)(byte)(recorded.RecordHigh >> 32), recorded.RecordLow, true)] : [];
    }

    // Of a blocked interrupt the record alone tells why.
    private static RecordedOutcome WithFaults(RecordedStep step)
    {
        RecordedOutcome recorded = step.ExpectedOutcome!;
        return recorded.TellsFaults || recorded.Status != DmaResult.Blocked ? recorded : recorded with { Faults = FaultsOf(step, held: false) };
    }

    // The fault of a write whose requester the recorder did not know: the device was not told, the record names nobody.
    private static bool IsAnonymous(RecordedStep step, RecordedOutcome recorded) =>
        step is { Kind: StepKind.DmaWrite, Bytes.Length: 4 }
        && InterruptRange.Contains(step.Address)
        && recorded.Status == DmaResult.Ok
        && recorded.RecordHigh >> 63 != 0
        && (ushort)recorded.RecordHigh == _nobody.Value;

    // Where no memory answers, an access that was let through is dropped all the same.
    private static string PastEmptiness(string outcome) => outcome == Dropped ? Ok : outcome;

    private bool IsBacked(RecordedStep step, ulong address) =>
        state.Target(step.Source, address) is { } target && state.Memory.IsBacked(new(target), 1);

    private static bool MovedTheSame(RecordedOutcome recorded, OurOutcome ours) =>
        recorded.Data.AsSpan().SequenceEqual(ours.Data) && recorded.Landed.Select(piece => piece.There).SequenceEqual(ours.Landed);

    // Faults belong together by page and direction; where only one side has one, the other side's status answers for it.
    private static IEnumerable<(string From, string To, ulong Address)> Pairs(RecordedStep step, RecordedOutcome recorded, OurOutcome ours)
    {
        foreach (RecordedFault fault in recorded.Faults)
        {
            var same = ours.Faults.FirstOrDefault(our => our.Fault.Write == fault.Write && (our.Fault.Page == fault.Page || !step.ExpectedOutcome!.TellsFaults));
            yield return (Named(fault, suppressed: false), same.Fault == default ? Named(ours.Status) : Named(same.Fault, same.Suppressed), Place(step, fault.Page));
        }

        foreach ((RecordedFault fault, bool suppressed) in ours.Faults.Where(our => !recorded.Faults.Any(fault => fault.Page == our.Fault.Page || !recorded.TellsFaults)))
        {
            if (!recorded.Suppressed || !suppressed)
                yield return (Named(recorded.Status), Named(fault, suppressed), Place(step, fault.Page));
        }

        if (recorded.Faults.Count == 0 && ours.Faults.Count == 0 && recorded.Status != ours.Status)
            yield return (Named(recorded.Status), Named(ours.Status), step.Address);
    }

    private static ulong Place(RecordedStep step, ulong page) => page == (step.Address & ~PageMask) ? step.Address : page;

    private static string Named(DmaResult status) => status switch
    {
        DmaResult.Ok => Ok,
        DmaResult.Dropped => Dropped,
        _ => "blocked",
    };

    private static string Named(RecordedFault fault, bool suppressed) =>
        string.Create(CultureInfo.InvariantCulture, $"{(suppressed ? "suppressed" : "blocked")} {fault.Reason:X}");

    // The shortest chain of rules from one outcome to the other.
    private HashSet<string>? Chain(string from, string to, RuleContext context)
    {
        DeviationRule[] usable = [.. rules.Rules.Where(rule => rule.Outcomes.Count != 0 && context.Meets(rule))];
        Dictionary<string, string[]> reached = new() { [from] = [] };
        for (int length = 0; length <= ChainMax; length++)
        {
            if (reached.TryGetValue(to, out string[]? chain))
                return [.. chain];
            foreach ((string at, string[] so) in reached.ToArray())
            {
                foreach (DeviationRule rule in usable)
                {
                    if (rule.Outcomes.TryGetValue(at, out string? next))
                        _ = reached.TryAdd(next, [.. so, rule.Id]);
                }
            }
        }

        return null;
    }

    // Pages that our unit let through must have moved, the others must not, by the tables as they are.
    private bool MovedWhatItShould(RecordedStep step, OurOutcome ours)
    {
        // An interrupt moves no bytes.
        if (step.Kind != StepKind.DmaRead && InterruptRange.Contains(step.Address))
            return true;
        int length = step.Kind == StepKind.DmaRead ? step.Length : step.Bytes.Length;
        for (int done = 0; done < length;)
        {
            ulong address = step.Address + (ulong)done;
            int piece = Math.Min(length - done, 4096 - (int)(address & PageMask));
            bool blocked = ours.Faults.Any(fault => fault.Fault.Page == (address & ~PageMask));
            if (!Moved(step, ours, done, piece, blocked ? null : state.Target(step.Source, address)))
                return false;
            done += piece;
        }

        return true;
    }

    // What the recorder refused moved nothing; what it let through went where the tables lead, or led.
    private bool RecordedWhatItShould(RecordedStep step, RecordedOutcome recorded)
    {
        if ((int)(step.Address & PageMask) + Math.Max(step.Length, step.Bytes.Length) > 4096)
            return true;
        if (recorded.Status != DmaResult.Ok)
            return !recorded.Data.AsSpan().ContainsAnyExcept((byte)0) && recorded.Landed.All(piece => !piece.There);
        IEnumerable<ulong> places = state.FramesUsed(step.Source, step.Address).Select(frame => frame + (step.Address & PageMask));
        if (state.Target(step.Source, step.Address) is { } target)
            places = places.Append(target);
        return step.Kind == StepKind.DmaRead
            ? places.Any(place => InMemory(place, recorded.Data))
            : recorded.Landed.All(piece => piece.There && places.Contains(piece.Address));
    }

    private bool Moved(RecordedStep step, OurOutcome ours, int done, int piece, ulong? target)
    {
        byte[] there = new byte[piece];
        bool backed = target is { } place && state.Memory.TryRead(new PhysicalAddress(place), there.AsSpan());
        if (step.Kind == StepKind.DmaRead)
            return ours.Data.AsSpan(done, piece).SequenceEqual(there);
        return !backed || there.AsSpan().SequenceEqual(step.Bytes.AsSpan(done, piece));
    }

    // One side answered from a cache, the other from the tables, and nothing was invalidated since they may have changed.
    private HashSet<string>? IsStale(RecordedStep step, OurOutcome ours)
    {
        RecordedOutcome recorded = step.ExpectedOutcome!;
        int length = step.Kind == StepKind.DmaRead ? step.Length : step.Bytes.Length;
        if (!state.MayBeStale || recorded.Status != DmaResult.Ok || ours.Status != DmaResult.Ok || (int)(step.Address & PageMask) + length > 4096)
            return null;
        ulong offset = step.Address & PageMask;
        ulong? fresh = state.Target(step.Source, step.Address) & ~PageMask;
        ulong[] used = [.. state.FramesUsed(step.Source, step.Address)];
        bool recordedFresh = fresh is { } frame && RecordedAt(step, frame + offset);
        bool oursFresh = fresh is { } same && OursAt(step, ours, same + offset);
        bool recordedUsed = used.Any(before => before != fresh && RecordedAt(step, before + offset));
        bool oursUsed = used.Any(before => before != fresh && OursAt(step, ours, before + offset));
        return (oursFresh && recordedUsed) || (oursUsed && recordedFresh)
            ? [.. rules.Rules.Where(rule => rule.Stale).Select(rule => rule.Id)]
            : null;
    }

    private bool RecordedAt(RecordedStep step, ulong place)
    {
        RecordedOutcome recorded = step.ExpectedOutcome!;
        if (step.Kind != StepKind.DmaRead)
            return recorded.Landed.Count == 1 && recorded.Landed[0].There && recorded.Landed[0].Address == place;
        return InMemory(place, recorded.Data);
    }

    private bool OursAt(RecordedStep step, OurOutcome ours, ulong place) =>
        InMemory(place, step.Kind == StepKind.DmaRead ? ours.Data : step.Bytes);

    private bool InMemory(ulong place, byte[] bytes)
    {
        byte[] there = new byte[bytes.Length];
        return state.Memory.TryRead(new PhysicalAddress(place), there.AsSpan()) && there.AsSpan().SequenceEqual(bytes);
    }
}
