using System.Globalization;
using Spectre.Console;

namespace Dma.Lab;

/// <summary>A search, or a program that was played, for a person.</summary>
internal static class IsolationView
{
    /// <summary>Writes what came of it.</summary>
    public static void Write(IAnsiConsole console, IsolationReport report)
    {
        TextWriter output = console.Profile.Out.Writer;
        if (report.Seed is { } seed)
        {
            string without = report.Without.Count == 0 ? "" : $" without {string.Join(", ", report.Without)}";
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{report.Worlds} worlds of seed {seed}{without} in {report.Seconds:F1} s: {Rate(report.WorldsPerSecond)} worlds/s on {Counted.Of((ulong)report.Workers, "worker")}."));
        }

        if (report.Finding is not { } finding)
        {
            console.MarkupLine("[green]Isolated:[/] nothing was violated.");
            return;
        }

        string world = finding.World is { } number ? string.Create(CultureInfo.InvariantCulture, $"World {number}: ") : "";
        string step = finding.Line.Length == 0
            ? finding.Step == 0 ? "before the first step" : "when all was given back"
            : string.Create(CultureInfo.InvariantCulture, $"after step {finding.Step}, \"{finding.Line}\"");
        console.MarkupLine($"[red]VIOLATED:[/] {Markup.Escape($"{world}{finding.Invariant} {step}:")}");
        output.WriteLine($"  {finding.Text}.");
        if (finding.File is null)
            return;
        output.WriteLine();
        output.Write(finding.Program);
        output.WriteLine();
        output.WriteLine($"The program is in {finding.File}. Again: dma run --program {finding.File}");
    }

    private static string Rate(double perSecond) => perSecond.ToString(perSecond < 10 ? "F1" : "F0", CultureInfo.InvariantCulture);
}
