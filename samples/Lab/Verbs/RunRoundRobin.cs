using System.CommandLine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary><c>dma run round-robin</c>: VMs have a whole controller one after the other.</summary>
internal sealed class RunRoundRobin : SharingVerb
{
    private const string Nothing = "nothing";

    private readonly NumberOption<int> _quantum = new(
        "--quantum", "US", "How long a turn is, in microseconds", (int)(TimeSharingOptions.QuantumNsMin / 1000), 1_000_000, 10_000);

    private readonly Option<bool> _workConserving = new("--work-conserving")
    {
        Description = "Whether a VM without work gives its turn up.",
        DefaultValueFactory = static _ => true,
    };

    private readonly WordOption _without = new(
        "--without", "What each switch leaves out, to see what it is there for", Nothing, "quiesce", "gates", "translation", "interrupt", "clock");

    /// <summary>The verb.</summary>
    public RunRoundRobin(Terminal terminal)
        : base("round-robin", "VMs have a whole USB controller one after the other: its registers are saved and restored, and its context entry follows.", terminal) => Add(_quantum, _workConserving, _without);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "run round-robin",
        "run round-robin --vms 2 --quantum 2000",
        "run round-robin --work-conserving false",
        "run round-robin --without translation",
        "run round-robin --trace timeline.json",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line, int vms, ulong seed, FileStream? trace, bool isJson)
    {
        string without = line.GetRequiredValue(_without);
        TimeSharingOptions options = new()
        {
            QuantumNs = (ulong)line.GetValue(_quantum) * 1000,
            IsWorkConserving = line.GetValue(_workConserving),
            Without = without == Nothing ? SwitchSteps.None : Enum.Parse<SwitchSteps>(without, ignoreCase: true),
        };
        RoundRobinReport report = new RoundRobinRun(vms, options, seed, trace).Run();
        if (isJson)
            Terminal.WriteJson(report, SharingJson.Default.RoundRobinReport);
        else
            RoundRobinView.Write(Terminal.Output, report);
        return report.IsClean ? ExitCode.Ok : ExitCode.Violation;
    }
}
