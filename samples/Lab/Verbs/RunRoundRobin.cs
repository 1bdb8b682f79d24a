using System.CommandLine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary><c>dma run round-robin</c>: VMs have a whole controller one after the other.</summary>
internal sealed class RunRoundRobin : SharingVerb
{
    private const string Nothing = "nothing";
    private const string State = "state";
    private const string True = "true";

    private readonly WordOption _usb = new("--usb", "The controller that the VMs have", UsbControllers.Ehci, UsbControllers.Xhci);

    private readonly NumberOption<int> _quantum = new(
        "--quantum", "US", "How long a turn is, in microseconds", (int)(TimeSharingOptions.QuantumNsMin / 1000), 1_000_000, 10_000);

    private readonly NumberOption<int> _idle = new(
        "--idle", "US", "For how long a VM has had no work when it gives its turn up, in microseconds", (int)(WireTime.MicroframeNs / 1000), 1_000_000, (int)(TimeSharingOptions.UsualIdleNs / 1000));

    private readonly WordOption _workConserving = new("--work-conserving", "Whether a VM without work gives its turn up", True, "false");

    private readonly WordOption _without = new(
        "--without", "What each switch leaves out, to see what it is there for", Nothing, "quiesce", "gates", "translation", "interrupt", "clock", State);

    /// <summary>The verb.</summary>
    public RunRoundRobin(Terminal terminal)
        : base("round-robin", "VMs have a whole USB controller one after the other: its registers are saved and restored, and its context entry follows.", terminal) => Add(_usb, _quantum, _idle, _workConserving, _without);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "run round-robin",
        "run round-robin --usb xhci",
        "run round-robin --vms 2 --quantum 2000",
        "run round-robin --idle 125",
        "run round-robin --work-conserving false",
        "run round-robin --without translation",
        "run round-robin --trace timeline.json",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line, int vms, ulong seed, FileStream? trace, bool isJson)
    {
        string without = line.GetRequiredValue(_without);
        TurnController controller = Enum.Parse<TurnController>(line.GetRequiredValue(_usb), ignoreCase: true);
        if (without == State && controller == TurnController.Ehci)
            return Terminal.Refuse("An EHCI controller saves no state by itself: --without state is for --usb xhci.");
        TimeSharingOptions options = new()
        {
            QuantumNs = (ulong)line.GetValue(_quantum) * 1000,
            IdleNs = (ulong)line.GetValue(_idle) * 1000,
            IsWorkConserving = line.GetRequiredValue(_workConserving) == True,
            Without = without == Nothing ? SwitchSteps.None : Enum.Parse<SwitchSteps>(without, ignoreCase: true),
        };
        RoundRobinReport report = new RoundRobinRun(controller, vms, options, seed, trace).Run();
        if (isJson)
            Terminal.WriteJson(report, SharingJson.Default.RoundRobinReport);
        else
            RoundRobinView.Write(Terminal.Output, report);
        return report.IsClean ? ExitCode.Ok : ExitCode.Violation;
    }
}
