using System.Text.Json.Serialization;

namespace Dma.Lab;

/// <summary>What became of the cases of a file.</summary>
/// <param name="Cases">How many were played.</param>
/// <param name="Passed">How many gave the recorded answers.</param>
/// <param name="Deviations">How many gave what rules say where they did not give the recorded answers.</param>
/// <param name="Failed">How many gave something else.</param>
/// <param name="Failures">Those that failed.</param>
/// <param name="Deviating">Those that deviate.</param>
internal sealed record ReplayReport(
    int Cases,
    int Passed,
    int Deviations,
    int Failed,
    IReadOnlyList<FailureSummary> Failures,
    IReadOnlyList<DeviationSummary> Deviating)
{
    /// <summary>The report on verdicts.</summary>
    public static ReplayReport Of(IReadOnlyList<CaseVerdict> verdicts)
    {
        CaseVerdict[] Those(CaseOutcome outcome) => [.. verdicts.Where(verdict => verdict.Outcome == outcome)];
        CaseVerdict[] failed = Those(CaseOutcome.Failed);
        CaseVerdict[] deviating = Those(CaseOutcome.Deviates);
        return new(
            verdicts.Count,
            Those(CaseOutcome.Passed).Length,
            deviating.Length,
            failed.Length,
            [.. failed.Select(verdict => new FailureSummary(verdict.Case.Id, verdict.Failure!.Step.Number, verdict.Failure.Expected, verdict.Failure.Got))],
            [.. deviating.Select(DeviationSummary.Of)]);
    }
}

/// <summary>A case that failed.</summary>
/// <param name="Id">The case.</param>
/// <param name="Step">The first step whose answer nothing explains.</param>
/// <param name="Expected">What was recorded.</param>
/// <param name="Got">What our unit answered.</param>
internal sealed record FailureSummary(string Id, int Step, string Expected, string Got);

/// <summary>A case that deviates.</summary>
/// <param name="Id">The case.</param>
/// <param name="Rules">The rules that say so, by their names in docs/deviations.md.</param>
/// <param name="Steps">The answers that differ.</param>
internal sealed record DeviationSummary(string Id, IReadOnlyList<string> Rules, IReadOnlyList<DeviatingStep> Steps)
{
    /// <summary>The summary of a verdict.</summary>
    public static DeviationSummary Of(CaseVerdict verdict) => new(
        verdict.Case.Id,
        verdict.Rules,
        [.. verdict.Deviations.Select(difference => new DeviatingStep(difference.Step.Number, difference.Expected, difference.Got))]);
}

/// <summary>An answer that a rule explains.</summary>
/// <param name="Step">The step.</param>
/// <param name="Expected">What was recorded.</param>
/// <param name="Got">What our unit answered.</param>
internal sealed record DeviatingStep(int Step, string Expected, string Got);

/// <summary>How a report becomes JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(ReplayReport))]
internal sealed partial class ReplayJson : JsonSerializerContext;
