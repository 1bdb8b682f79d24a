using System.CommandLine;
using System.CommandLine.Parsing;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary><c>dma run merged-schedules</c>: the VMM or an engine merges the schedules of VMs into one, which an ordinary controller runs.</summary>
internal sealed class RunMergedSchedules : SharingVerb
{
    private const string Nothing = "nothing";

    private const string Software = "software";
    private const string Hardware = "hardware";

    // What is a step of one of the two alone.
    private static readonly string[] s_ofSoftware = ["windows", "overlay"];
    private static readonly string[] s_ofHardware = ["requesters", "heads"];

    private readonly WordOption _merge = new("--merge", "Who merges: the VMM in copies, or an engine before the controller while that fetches", Software, Hardware);

    private readonly WordOption _discovery = new("--discovery", "How the VMM finds what guests add to their schedules", "scan", "protect");

    private readonly NumberOption<int> _ahead = new(
        "--ahead", "MICROFRAMES", "How long before a frame its list is merged, in microframes (below 0 is too late)", -MergeOptions.LateMax, MergeOptions.AheadMax, 1);

    private readonly WordOption _without = new(
        "--without", "What is left out, to see what it is there for", [Nothing, "doorbell", "addresses", .. s_ofSoftware, .. s_ofHardware]);

    /// <summary>The verb.</summary>
    public RunMergedSchedules(Terminal terminal)
        : base("merged-schedules", "The schedules of VMs are merged into one, which an ordinary USB controller runs; registers trap.", terminal)
    {
        Validators.Add(Check);
        Add(_merge, _discovery, _ahead, _without);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "run merged-schedules",
        "run merged-schedules --vms 4 --discovery protect",
        "run merged-schedules --merge hardware",
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
            Method = line.GetRequiredValue(_merge) == Hardware ? MergeMethod.Hardware : MergeMethod.Software,
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

    private void Check(CommandResult line)
    {
        bool isHardware = line.GetValue(_merge) == Hardware;
        string without = line.GetValue(_without) ?? Nothing;
        if (isHardware && new Option[] { _discovery, _ahead }.FirstOrDefault(option => line.GetResult(option) is { Implicit: false }) is { } given)
            line.AddError($"{given.Name} is for merging by software: an engine fetches what is there.");
        if ((isHardware ? s_ofSoftware : s_ofHardware).Contains(without))
            line.AddError($"{without} are no step of merging by {(isHardware ? Hardware : Software)}.");
    }
}
