using System.CommandLine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary><c>dma run exitless-polling</c>: a driver on a controller whose registers are memory that a second processor polls.</summary>
internal sealed class RunExitlessPolling : TracedVerb
{
    private readonly WordOption _usb = new("--usb", "The USB controller", UsbControllers.Names, UsbControllers.Xhci);

    private readonly NumberOption<int> _period = new("--period", "NS", "Nanoseconds from one look of the poller to the next", 100, 1_000_000, 2_000);

    private readonly Option<bool> _awake = new("--awake")
    {
        Description = "Let the poller never nap.",
    };


    /// <summary>The verb.</summary>
    public RunExitlessPolling(Terminal terminal)
        : base("exitless-polling", "Registers of a USB controller that are memory, polled by a second processor: exits, what is lost, and from which rate on it pays.", terminal) => Add(_usb, _period, _awake);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "run exitless-polling",
        "run exitless-polling --usb ehci --period 10000",
        "run exitless-polling --trace timeline.json",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line, ulong seed, FileStream? trace, bool isJson)
    {
        ulong periodNs = (ulong)line.GetValue(_period);
        PollingOptions options = new() { PeriodNs = periodNs, NapNs = Math.Max(20_000, periodNs) };
        if (line.GetValue(_awake))
            options = options with { IdleTurnsMax = null };
        PollingReport report = new PollingRun(line.GetRequiredValue(_usb), options, seed, trace).Run();
        if (isJson)
            Terminal.WriteJson(report, PollingJson.Default.PollingReport);
        else
            PollingView.Write(Terminal.Output, report);
        return report.IsClean ? ExitCode.Ok : ExitCode.Violation;
    }
}
