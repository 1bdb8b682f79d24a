using System.CommandLine;

namespace Dma.Lab;

/// <summary><c>dma run register-sets</c>: VMs share the bus of one controller, and some of them are greedy.</summary>
internal sealed class RunRegisterSets : SharingVerb
{
    private readonly WordOption _policy = new("--policy", "How asynchronous time is shared out", SharingPolicies.Names);

    /// <summary>The verb.</summary>
    public RunRegisterSets(Terminal terminal)
        : base("register-sets", "A USB controller with a register set for each VM: who has the bus in each microframe while some VMs take all they can get.", terminal) => Add(_policy);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "run register-sets",
        "run register-sets --policy sequential",
        "run register-sets --vms 5 --policy weighted",
        "run register-sets --trace timeline.json",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line, int vms, ulong seed, FileStream? trace, bool isJson)
    {
        RegisterSetReport report = new RegisterSetRun(vms, SharingPolicies.Named(line.GetRequiredValue(_policy)), seed, trace).Run();
        if (isJson)
            Terminal.WriteJson(report, SharingJson.Default.RegisterSetReport);
        else
            SharingView.Write(Terminal.Output, report);
        return report.IsFair ? ExitCode.Ok : ExitCode.Violation;
    }
}
