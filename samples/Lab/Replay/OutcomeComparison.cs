namespace Dma.Lab;

/// <summary>Holds what a DMA came to against what was recorded, by the rules of the format.</summary>
internal static class OutcomeComparison
{
    private const ulong FaultBit = 1ul << 63;
    private const ulong PasidPresent = 1ul << 31;
    private const ulong PasidValue = 0xFFFFFul << 40;

    /// <summary>What differs, in words; empty lists where nothing does.</summary>
    public static (List<string> Expected, List<string> Got) Compare(RecordedOutcome recorded, OurOutcome ours)
    {
        List<string> expected = [];
        List<string> got = [];
        void Differ(string what, string was, string now)
        {
            expected.Add($"{what} {was}".Trim());
            got.Add($"{what} {now}".Trim());
        }

        if (recorded.Status != ours.Status)
            Differ("", Word(recorded.Status), Word(ours.Status));
        CompareFaults(recorded, ours, Differ);
        if (recorded.FaultStatus != ours.FaultStatus)
            DifferIn("FSTS", recorded.FaultStatus, ours.FaultStatus, Differ);
        ulong mask = RecordMask(recorded.RecordHigh);
        if (((recorded.RecordHigh ^ ours.RecordHigh) & mask) != 0)
            DifferIn("FRCD_HI", recorded.RecordHigh & mask, ours.RecordHigh & mask, Differ);
        if ((recorded.RecordHigh & FaultBit) != 0 && recorded.RecordLow != ours.RecordLow)
            DifferIn("FRCD_LO", recorded.RecordLow, ours.RecordLow, Differ);
        if (!recorded.Data.AsSpan().SequenceEqual(ours.Data))
            Differ("data", Convert.ToHexStringLower(recorded.Data), Convert.ToHexStringLower(ours.Data));
        foreach ((RecordedLanding piece, bool there) in recorded.Landed.Zip(ours.Landed))
        {
            if (piece.There != there)
                Differ($"at {piece.Address:X}h", piece.There ? "what was written" : "nothing new", there ? "what was written" : "nothing new");
        }

        if (!recorded.Interrupts.SequenceEqual(ours.Interrupts))
            Differ("", InterruptDifference.Told(recorded.Interrupts), InterruptDifference.Told(ours.Interrupts));
        return (expected, got);
    }

    /// <summary>The bits of the high half of a record that say something: F alone while it is clear, no PASID without PP.</summary>
    public static ulong RecordMask(ulong high) =>
        (high & FaultBit) == 0 ? FaultBit : (high & PasidPresent) == 0 ? ~PasidValue : ulong.MaxValue;

    private static void CompareFaults(RecordedOutcome recorded, OurOutcome ours, Action<string, string, string> differ)
    {
        if (!recorded.TellsFaults)
            return;

        // A suppressed fault was not told to the recorder.
        if (recorded.Suppressed)
        {
            if (ours.Faults.Count == 0 || ours.Faults.Any(fault => !fault.Suppressed))
                differ("", "a suppressed fault", Told(ours));
            return;
        }

        bool same = recorded.Faults.ToHashSet().SetEquals(ours.Faults.Where(fault => !fault.Suppressed).Select(fault => fault.Fault));
        if (!same || ours.Faults.Any(fault => fault.Suppressed))
            differ("", recorded.Faults.Count == 0 ? "no fault" : string.Join(", ", recorded.Faults), Told(ours));
    }

    private static string Told(OurOutcome ours) => ours.Faults.Count == 0
        ? "no fault"
        : string.Join(", ", ours.Faults.Select(fault => fault.Suppressed ? $"{fault.Fault} (suppressed)" : fault.Fault.ToString()));

    private static void DifferIn(string register, ulong recorded, ulong ours, Action<string, string, string> differ) => differ(
        register, RegisterNames.Describe(register, recorded, recorded ^ ours), RegisterNames.Describe(register, ours, recorded ^ ours));

    private static string Word(DmaResult result) => result switch
    {
        DmaResult.Ok => "done",
        DmaResult.Blocked => "blocked",
        _ => "dropped",
    };
}
