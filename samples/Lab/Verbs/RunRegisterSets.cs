using System.CommandLine;
using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary><c>dma run register-sets</c>: VMs share the bus of one controller, and one of them is greedy.</summary>
internal sealed class RunRegisterSets : SharingVerb
{
    private readonly WordOption _policy = new("--policy", "How asynchronous time is shared out", "deficit", "weighted", "transaction", "pass", "sequential");

    /// <summary>The verb.</summary>
    public RunRegisterSets(Terminal terminal)
        : base("register-sets", "A USB controller with a register set for each VM: who has the bus in each microframe while one VM takes all it can get.", terminal) => Add(_policy);

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
        SharingPolicy policy = line.GetRequiredValue(_policy) switch
        {
            "sequential" => SharingPolicy.Sequential,
            "transaction" => SharingPolicy.RoundRobinByTransaction,
            "pass" => SharingPolicy.RoundRobinByPass,
            "weighted" => SharingPolicy.Weighted,
            _ => SharingPolicy.DeficitRoundRobin,
        };
        RegisterSetReport report = new RegisterSetRun(vms, policy, seed, trace).Run();
        if (isJson)
            Terminal.WriteJson(report, SharingJson.Default.RegisterSetReport);
        else
            SharingView.Write(Terminal.Output, report);
        return report.IsFair ? ExitCode.Ok : ExitCode.Violation;
    }
}
