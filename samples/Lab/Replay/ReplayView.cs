using Spectre.Console;

namespace Dma.Lab;

/// <summary>The verdicts for a person: a line for each case, what differs where it does, the rules' reasons, and the sum.</summary>
internal static class ReplayView
{
    /// <summary>Writes the verdicts.</summary>
    public static void Write(IAnsiConsole console, IReadOnlyList<CaseVerdict> verdicts, DeviationRules rules)
    {
        foreach (CaseVerdict verdict in verdicts)
            WriteCase(console, verdict);
        WriteReasons(console, verdicts, rules);
        ReplayReport report = ReplayReport.Of(verdicts);
        string sum = $"{report.Cases} cases: {report.Passed} passed, {report.Deviations} deviate as listed, {report.Failed} failed.";
        console.WriteLine();
        console.MarkupLine(report.Failed == 0 ? $"[green]All well:[/] {sum}" : $"[red]FAILED:[/] {sum}");
    }

    private static void WriteCase(IAnsiConsole console, CaseVerdict verdict)
    {
        switch (verdict.Outcome)
        {
            case CaseOutcome.Passed:
                Line(console, "[green]pass[/]       ", verdict.Case.Id);
                break;
            case CaseOutcome.Deviates:
                Line(console, "[yellow]deviation[/]  ", $"{verdict.Case.Id}  {string.Join(", ", verdict.Rules)}");
                break;
            default:
                WriteFailure(console, verdict);
                break;
        }
    }

    private static void WriteFailure(IAnsiConsole console, CaseVerdict verdict)
    {
        Difference failure = verdict.Failure!;
        Line(console, "[red]FAIL[/]       ", $"{verdict.Case.Id}  {verdict.Case.Title}");
        WritePlain(console, $"    step {failure.Step.Number} ({StepText.Of(failure.Step)})");
        WritePlain(console, $"    expected  {failure.Expected}");
        WritePlain(console, $"    got       {failure.Got}");
    }

    private static void WriteReasons(IAnsiConsole console, IReadOnlyList<CaseVerdict> verdicts, DeviationRules rules)
    {
        HashSet<string> used = [.. verdicts.Where(verdict => verdict.Outcome == CaseOutcome.Deviates).SelectMany(verdict => verdict.Rules)];
        if (used.Count == 0)
            return;
        console.WriteLine();
        console.WriteLine("Why, where our unit follows the manual and not the recorder (docs/deviations.md):");
        foreach (DeviationRule rule in rules.Rules.Where(rule => used.Contains(rule.Id)))
            WritePlain(console, $"    {rule.Id}: {rule.Reason}.");
    }

    private static void Line(IAnsiConsole console, string verdict, string text)
    {
        console.Markup(verdict);
        WritePlain(console, text);
    }

    // Lines to search and to copy: as long as they are, whatever the width of the window.
    private static void WritePlain(IAnsiConsole console, string line) => console.Profile.Out.Writer.WriteLine(line);
}
