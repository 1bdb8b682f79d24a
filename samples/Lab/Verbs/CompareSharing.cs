using System.CommandLine;
using System.CommandLine.Parsing;

namespace Dma.Lab;

/// <summary><c>dma compare sharing</c>: several VMs and one controller, by each mechanism, on the same work.</summary>
internal sealed class CompareSharing : TracedVerb
{
    private readonly NumberOption<int> _vms = new("--vms", "N", "How many VMs", 2, 8, 4);

    private readonly WordOption _workload = new("--workload", "What they do", [.. Enum.GetNames<SharingWorkload>().Select(name => name.ToLowerInvariant())]);

    private readonly WordsOption _only = new("--only", "LETTERS", "Only these; all of them without it", [.. SharingMechanisms.All.Select(mechanism => mechanism.Letters)]);

    /// <summary>The verb.</summary>
    public CompareSharing(Terminal terminal)
        : base("sharing", "Several VMs and one USB controller, by each mechanism on the same work: exits, copies, latency, fairness, missed slots, and what each cannot do.", terminal)
    {
        Validators.Add(Check);
        Add(_vms, _workload, _only);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "compare sharing",
        "compare sharing --vms 3 --workload audio",
        "compare sharing --only direct c+a --json",
        "compare sharing --only f+a+h --trace timeline.json",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line, ulong seed, FileStream? trace, bool isJson)
    {
        SharingPlan plan = new(
            line.GetValue(_vms), Enum.Parse<SharingWorkload>(line.GetRequiredValue(_workload), ignoreCase: true), seed, trace);
        string[] only = line.GetValue(_only) ?? [];
        SharingMechanism[] mechanisms = [.. SharingMechanisms.All.Where(mechanism => only.Length == 0 || only.Contains(mechanism.Letters))];
        SharingComparisonReport report;
        using (ProgressLine progress = new(Terminal, "ran", "mechanisms", 1))
            report = new SharingComparison(plan, mechanisms).Run(done => progress.Report((ulong)done, (ulong)mechanisms.Length));
        if (isJson)
            Terminal.WriteJson(report, SharingComparisonJson.Default.SharingComparisonReport);
        else
            SharingComparisonView.Write(Terminal.Output, report);
        return report.IsAsExpected ? ExitCode.Ok : ExitCode.Violation;
    }

    // A timeline is that of one host.
    private void Check(CommandResult line)
    {
        if (IsTraced(line) && (line.GetValue(_only) is not [string letters] || SharingMechanisms.All.FirstOrDefault(mechanism => mechanism.Letters == letters) is { Create: null }))
            line.AddError("A timeline is that of one mechanism with USB devices: --trace needs --only with its letters.");
    }
}
