using System.CommandLine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary><c>dma run merged-schedules</c>: the VMM merges the schedules of VMs into one, which an ordinary controller runs.</summary>
internal sealed class RunMergedSchedules : SharingVerb
{
    private const string Nothing = "nothing";

    private readonly WordOption _discovery = new("--discovery", "How the VMM finds what guests add to their schedules", "scan", "protect");

    private readonly NumberOption<int> _ahead = new(
        "--ahead", "MICROFRAMES", "How long before a frame its list is merged, in microframes (below 0 is too late)", -MergeOptions.LateMax, MergeOptions.AheadMax, 1);

    private readonly WordOption _without = new(
        "--without", "What is left out, to see what it is there for", Nothing, "doorbell", "windows", "overlay", "addresses");

    /// <summary>The verb.</summary>
    public RunMergedSchedules(Terminal terminal)
        : base("merged-schedules", "The VMM merges the schedules of VMs into one, which an ordinary USB controller runs; registers trap.", terminal) => Add(_discovery, _ahead, _without);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "run merged-schedules",
        "run merged-schedules --vms 4 --discovery protect",
        "run merged-schedules --ahead -3",
        "run merged-schedules --without windows",
        "run merged-schedules --trace timeline.json",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line, int vms, ulong seed, FileStream? trace, bool isJson)
    {
        string without = line.GetRequiredValue(_without);
        MergeOptions options = new()
        {
            Discovery = line.GetRequiredValue(_discovery) == "scan" ? DiscoveryMethod.Scan : DiscoveryMethod.WriteProtection,
            AheadMicroframes = line.GetValue(_ahead),
            Without = without == Nothing ? MergeSteps.None : Enum.Parse<MergeSteps>(without, ignoreCase: true),
        };
        MergedReport report = new MergedRun(vms, options, seed, trace).Run();
        if (isJson)
            Terminal.WriteJson(report, MergedJson.Default.MergedReport);
        else
            MergedView.Write(Terminal.Output, report);
        return report.IsClean ? ExitCode.Ok : ExitCode.Violation;
    }
}
