using System.CommandLine;
using System.CommandLine.Parsing;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary><c>dma run user-level-monitor</c>: device models in a process, with a window on the memory of their VM.</summary>
internal sealed class RunUserLevelMonitor : TracedVerb
{
    private readonly WordOption _usb = new("--usb", "The USB controller that the guest sees", UsbControllers.Names);

    private readonly NumberOption<int> _blocks = new(
        "--blocks", "N", "Blocks of 512 bytes in each read", 1, MonitorRun.BlocksMax, MonitorRun.UsualBlocks);

    private readonly NumberOption<int> _windowPages = new(
        "--window-pages", "N", "Pages of the window, as in a process of 32 bits; as many as the VM has, unless given", 1, 786_432);

    private readonly Option<bool> _noShootDown = new("--no-shootdown")
    {
        Description = "Do not take a page out of the window when it loses its frame, to see what comes of it.",
    };

    private readonly Option<bool> _noFlush = new("--no-flush")
    {
        Description = "Take it out, and do not flush what the processor caches of it.",
    };

    private readonly Option<bool> _copy = new("--copy")
    {
        Description = "Let the monitor copy by system calls instead of using its window.",
    };

    private readonly Option<bool> _zeroCopy = new("--zero-copy")
    {
        Description = "Let bulk data of an EHCI controller go straight between device and pages of the VM.",
    };

    /// <summary>The verb.</summary>
    public RunUserLevelMonitor(Terminal terminal)
        : base("user-level-monitor", "Device models in a process of the service OS, with a window on the memory of their VM: faults, system calls, copies, and a page that is taken away.", terminal)
    {
        Validators.Add(Check);
        Add(_usb, _blocks, _windowPages, _noShootDown, _noFlush, _copy, _zeroCopy);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "run user-level-monitor",
        "run user-level-monitor --no-shootdown",
        "run user-level-monitor --usb xhci --window-pages 4",
        "run user-level-monitor --copy --no-shootdown",
        "run user-level-monitor --zero-copy --blocks 64",
        "run user-level-monitor --trace timeline.json",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line, ulong seed, FileStream? trace, bool isJson)
    {
        MonitorOptions options = new()
        {
            Access = line.GetValue(_copy) ? MonitorAccess.SystemCall : MonitorAccess.Window,
            WindowPages = _windowPages.Given(line),
            IsZeroCopy = line.GetValue(_zeroCopy),
            ShootDown = line.GetValue(_noShootDown) ? ShootDown.None : line.GetValue(_noFlush) ? ShootDown.Unflushed : ShootDown.Flushed,
        };
        MonitorReport report = new MonitorRun(line.GetRequiredValue(_usb), options, line.GetValue(_blocks), seed, trace).Run();
        if (isJson)
            Terminal.WriteJson(report, MonitorJson.Default.MonitorReport);
        else
            MonitorView.Write(Terminal.Output, report);
        return report.IsClean ? ExitCode.Ok : ExitCode.Violation;
    }

    private void Check(CommandResult line)
    {
        if (line.GetValue(_zeroCopy) && line.GetValue(_usb) == UsbControllers.Xhci)
            line.AddError("--zero-copy is for --usb ehci: data of a modelled xHCI controller is copied.");
        if (line.GetValue(_zeroCopy) && line.GetValue(_copy))
            line.AddError("--zero-copy and --copy exclude each other: data goes straight to pages, or by system calls.");
    }
}
