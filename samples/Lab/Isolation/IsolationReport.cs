using System.Text.Json.Serialization;

namespace Dma.Lab;

/// <summary>What <c>dma check isolation</c> or <c>dma run --program</c> came to.</summary>
/// <param name="Seed">The seed of the search; null for a program that was given.</param>
/// <param name="Worlds">How many worlds were played.</param>
/// <param name="Seconds">How long that took.</param>
/// <param name="WorldsPerSecond">How many worlds in a second.</param>
/// <param name="Workers">How many threads played.</param>
/// <param name="Without">Protections that were taken away.</param>
/// <param name="Finding">What was found; null where nothing was.</param>
public sealed record IsolationReport(
    ulong? Seed, ulong Worlds, double Seconds, double WorldsPerSecond, int Workers, IReadOnlyList<string> Without, IsolationFinding? Finding);

/// <summary>A world that violates something.</summary>
/// <param name="World">The number of the world; null for a program that was given.</param>
/// <param name="Invariant">What is violated.</param>
/// <param name="Text">What happened.</param>
/// <param name="Step">After which step.</param>
/// <param name="Line">That step; empty before the first and after the last one.</param>
/// <param name="Program">The program, made as small as it gets.</param>
/// <param name="File">Where it was written; null where it was not.</param>
public sealed record IsolationFinding(ulong? World, string Invariant, string Text, int Step, string Line, string Program, string? File)
{
    internal static IsolationFinding Of(WorldProgram program, WorldFinding finding, ulong? world, string? file) => new(
        world,
        finding.Violation.Invariant,
        finding.Violation.Text,
        finding.Step,
        finding.Step >= 1 && finding.Step <= program.Steps.Count ? program.Steps[finding.Step - 1].Format(program.Names) : "",
        program.ToString(),
        file);
}

/// <summary>The JSON form.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(IsolationReport))]
internal sealed partial class IsolationJson : JsonSerializerContext;
