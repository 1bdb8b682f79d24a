using System.CommandLine;

namespace Dma.Lab;

/// <summary><c>dma compare sharing</c>: several VMs and one controller, by each mechanism, on the same work.</summary>
internal sealed class CompareSharing : Verb
{
    private readonly NumberOption<int> _vms = new("--vms", "N", "How many VMs", 2, 8, 4);

    private readonly WordOption _workload = new("--workload", "What they do", [.. Enum.GetNames<SharingWorkload>().Select(name => name.ToLowerInvariant())]);

    private readonly Option<string[]> _only = new("--only")
    {
        Description = $"Only these: {string.Join(", ", SharingMechanisms.All.Select(mechanism => mechanism.Letters))}.",
        HelpName = "LETTERS",
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly SeedOption _seed = new("What contents and times come from");

    private readonly JsonOption _json = new();

    /// <summary>The verb.</summary>
    public CompareSharing(Terminal terminal)
        : base("sharing", "Several VMs and one USB controller, by each mechanism on the same work: exits, copies, latency, fairness, missed slots, and what each cannot do.", terminal)
    {
        _only.AcceptOnlyFromAmong([.. SharingMechanisms.All.Select(mechanism => mechanism.Letters)]);
        Add(_vms, _workload, _only, _seed, _json);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
        ["compare sharing", "compare sharing --vms 3 --workload audio", "compare sharing --only direct c+a --json"];

    /// <inheritdoc/>
    protected override int Run(ParseResult line)
    {
        SharingPlan plan = new(
            line.GetValue(_vms), Enum.Parse<SharingWorkload>(line.GetRequiredValue(_workload), ignoreCase: true), line.GetValue(_seed));
        string[] only = line.GetValue(_only) ?? [];
        SharingMechanism[] mechanisms = [.. SharingMechanisms.All.Where(mechanism => only.Length == 0 || only.Contains(mechanism.Letters))];
        SharingComparisonReport report;
        using (ProgressLine progress = new(Terminal, "ran", "mechanisms", 1))
            report = new SharingComparison(plan, mechanisms).Run(done => progress.Report((ulong)done, (ulong)mechanisms.Length));
        if (line.GetValue(_json))
            Terminal.WriteJson(report, SharingComparisonJson.Default.SharingComparisonReport);
        else
            SharingComparisonView.Write(Terminal.Output, report);
        return report.IsAsExpected ? ExitCode.Ok : ExitCode.Violation;
    }
}
