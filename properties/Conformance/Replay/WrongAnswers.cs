using Dma.Lab;

namespace Dma.Properties;

/// <summary>Steps with answers that nobody recorded.</summary>
internal static class WrongAnswers
{
    private const ulong FaultBit = 1ul << 63;

    /// <summary>Whether a step has an answer.</summary>
    public static bool CanBeWrong(RecordedStep step) => step.Kind is
        StepKind.MemoryRead or StepKind.RegisterRead or StepKind.DmaRead or StepKind.DmaWrite or StepKind.Message or StepKind.InterruptCheck;

    /// <summary>The step with one thing or another changed in its answer, where the format says that it counts.</summary>
    public static IEnumerable<RecordedStep> Of(RecordedCase recorded, RecordedStep step) => step.Kind switch
    {
        StepKind.MemoryRead => [step with { ExpectedBytes = Flipped(step.ExpectedBytes) }],
        StepKind.RegisterRead => Registers(recorded, step),
        StepKind.InterruptCheck => [step with { ExpectedInterrupts = [.. step.ExpectedInterrupts, default] }],
        _ => Outcomes(step, step.ExpectedOutcome!).Select(wrong => step with { ExpectedOutcome = wrong }),
    };

    // While F is clear a record says nothing else.
    private static IEnumerable<RecordedStep> Registers(RecordedCase recorded, RecordedStep step)
    {
        string name = new RegisterNames(recorded.Hardware).At(step.Offset).Name;
        if (name == "FRCD_LO")
            return [];
        ulong wrong = name == "FRCD_HI" ? step.ExpectedValue ^ FaultBit : step.ExpectedValue ^ 0x100;
        return [step with { ExpectedValue = wrong }];
    }

    private static IEnumerable<RecordedOutcome> Outcomes(RecordedStep step, RecordedOutcome right)
    {
        // What a device read as zeros may have been there, or not; the recorder could not tell.
        bool zeros = step.Kind == StepKind.DmaRead && !right.Data.AsSpan().ContainsAnyExcept((byte)0);
        if (!zeros)
            yield return right with { Status = right.Status == DmaResult.Dropped ? DmaResult.Ok : DmaResult.Dropped };
        yield return right with { FaultStatus = right.FaultStatus ^ 0x20 };
        yield return right with { RecordHigh = right.RecordHigh ^ FaultBit };
        yield return right with { Interrupts = [.. right.Interrupts, default] };
        if (right.Data.Length != 0)
            yield return right with { Data = Flipped(right.Data) };
        if ((right.RecordHigh & FaultBit) == 0)
            yield break;
        yield return right with { RecordHigh = right.RecordHigh ^ (0x40ul << 32) };
        yield return right with { RecordHigh = right.RecordHigh ^ (1ul << 62) };
        yield return right with { RecordHigh = right.RecordHigh ^ 1 };
        yield return right with { RecordLow = right.RecordLow ^ 0x1000 };
        if (right.TellsFaults)
            yield return right with { Faults = [.. right.Faults, new(step.Source, 0x7F, 0, false)] };
    }

    private static byte[] Flipped(byte[] bytes)
    {
        byte[] wrong = [.. bytes];
        wrong[^1] ^= 0x81;
        return wrong;
    }
}
