namespace Dma.Lab;

/// <summary>An answer of our unit that is not the recorded one.</summary>
/// <param name="Step">The step.</param>
/// <param name="Expected">What was recorded, in words.</param>
/// <param name="Got">What our unit answered, in words.</param>
internal abstract record Difference(RecordedStep Step, string Expected, string Got);

/// <summary>A register read gave another value.</summary>
/// <param name="Step">The step.</param>
/// <param name="Register">The register's name.</param>
/// <param name="Recorded">The whole register as recorded, with zeros where it was not read.</param>
/// <param name="Ours">The whole register as our unit has it, with zeros where it was not read.</param>
internal sealed record RegisterDifference(RecordedStep Step, string Register, ulong Recorded, ulong Ours)
    : Difference(
        Step,
        $"{Step.Register} {RegisterNames.Describe(Register, Recorded, Recorded ^ Ours)}",
        $"{Step.Register} {RegisterNames.Describe(Register, Ours, Recorded ^ Ours)}");

/// <summary>Memory holds other bytes.</summary>
/// <param name="Step">The step.</param>
/// <param name="Ours">What our memory holds.</param>
internal sealed record MemoryDifference(RecordedStep Step, byte[] Ours)
    : Difference(
        Step,
        $"{Convert.ToHexStringLower(Step.ExpectedBytes)} at {Step.Address:X}h",
        $"{Convert.ToHexStringLower(Ours)} at {Step.Address:X}h");

/// <summary>Other interrupts arrived.</summary>
/// <param name="Step">The step.</param>
/// <param name="Recorded">The recorded ones.</param>
/// <param name="Ours">Those that arrived.</param>
internal sealed record InterruptDifference(RecordedStep Step, IReadOnlyList<RecordedInterrupt> Recorded, IReadOnlyList<RecordedInterrupt> Ours)
    : Difference(Step, Told(Recorded), Told(Ours))
{
    /// <summary>Interrupts in words.</summary>
    public static string Told(IReadOnlyList<RecordedInterrupt> interrupts) =>
        interrupts.Count == 0 ? "no interrupt" : string.Join(", ", interrupts);
}

/// <summary>A DMA came to something else.</summary>
/// <param name="Step">The step.</param>
/// <param name="Ours">What it came to.</param>
/// <param name="Expected">What was recorded, in words.</param>
/// <param name="Got">What our unit answered, in words.</param>
internal sealed record OutcomeDifference(RecordedStep Step, OurOutcome Ours, string Expected, string Got) : Difference(Step, Expected, Got);
