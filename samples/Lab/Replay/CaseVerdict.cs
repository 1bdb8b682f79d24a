namespace Dma.Lab;

/// <summary>What became of a case.</summary>
/// <param name="Case">The case.</param>
/// <param name="Outcome">Whether it passed, deviates as rules say, or failed.</param>
/// <param name="Failure">The first difference that no rule explains; null unless it failed.</param>
/// <param name="Rules">The rules that were needed, in alphabetic order.</param>
/// <param name="Deviations">The differences that rules explain.</param>
internal sealed record CaseVerdict(
    RecordedCase Case, CaseOutcome Outcome, Difference? Failure, IReadOnlyList<string> Rules, IReadOnlyList<Difference> Deviations);

/// <summary>What became of a case.</summary>
internal enum CaseOutcome
{
    /// <summary>Not played.</summary>
    None = 0,

    /// <summary>Every answer is the recorded one.</summary>
    Passed,

    /// <summary>Every answer is the recorded one or what a rule says instead.</summary>
    Deviates,

    /// <summary>An answer is neither.</summary>
    Failed,
}
