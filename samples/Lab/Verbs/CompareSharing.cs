using System.CommandLine;

namespace Dma.Lab;

/// <summary><c>dma compare sharing</c>: several VMs and one controller, by each mechanism, on the same work.</summary>
internal sealed class CompareSharing : Verb
{
    private const int VmsMin = 2;
    private const int VmsMax = 8;

    private static readonly string[] _workloads = [.. Enum.GetNames<SharingWorkload>().Select(name => name.ToLowerInvariant())];

    private readonly Option<int> _vms = new("--vms")
    {
        Description = $"How many VMs, {VmsMin} to {VmsMax}.",
        HelpName = "N",
        DefaultValueFactory = static _ => 4,
    };

    private readonly Option<string> _workload = new("--workload")
    {
        Description = $"What they do: {string.Join(", ", _workloads)}.",
        HelpName = "NAME",
        DefaultValueFactory = static _ => _workloads[0],
    };

    private readonly Option<string[]> _only = new("--only")
    {
        Description = $"Only these: {string.Join(", ", SharingMechanisms.All.Select(mechanism => mechanism.Letters))}.",
        HelpName = "LETTERS",
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly Option<int> _seed = new("--seed")
    {
        Description = "What contents and times come from. The same seed gives the same report.",
        HelpName = "N",
        DefaultValueFactory = static _ => 1,
    };

    private readonly Option<bool> _json = new("--json")
    {
        Description = "Write the report as one JSON object.",
    };

    /// <summary>The verb.</summary>
    public CompareSharing(Terminal terminal)
        : base("sharing", "Several VMs and one USB controller, by each mechanism on the same work: exits, copies, latency, fairness, missed slots, and what each cannot do.", terminal)
    {
        _vms.Validators.Add(static option =>
        {
            if (!option.Tokens.Any(token => !int.TryParse(token.Value, out _)) && option.GetValueOrDefault<int>() is < VmsMin or > VmsMax)
                option.AddError($"There can be {VmsMin} to {VmsMax} VMs.");
        });
        _workload.AcceptOnlyFromAmong(_workloads);
        _only.AcceptOnlyFromAmong([.. SharingMechanisms.All.Select(mechanism => mechanism.Letters)]);
        foreach (Option option in (Option[])[_vms, _workload, _only, _seed, _json])
            Add(option);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
        ["compare sharing", "compare sharing --vms 3 --workload audio", "compare sharing --only direct c+a --json"];

    /// <inheritdoc/>
    protected override int Run(ParseResult line)
    {
        SharingPlan plan = new(
            line.GetValue(_vms), Enum.Parse<SharingWorkload>(line.GetRequiredValue(_workload), ignoreCase: true), (ulong)(uint)line.GetValue(_seed));
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
