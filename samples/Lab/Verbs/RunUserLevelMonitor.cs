using System.CommandLine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary><c>dma run user-level-monitor</c>: device models in a process, with a window on the memory of their VM.</summary>
internal sealed class RunUserLevelMonitor : Verb
{
    private const int WindowPagesMax = 786_432;

    private readonly Option<string> _controller = new("--controller")
    {
        Description = $"The USB controller that the guest sees: {string.Join(" or ", UsbControllers.Names)}.",
        HelpName = "NAME",
        DefaultValueFactory = static _ => UsbControllers.Ehci,
    };

    private readonly Option<int?> _windowPages = new("--window-pages")
    {
        Description = $"Pages of the window, 1 to {WindowPagesMax}, as in a process of 32 bits. As many as the VM has, unless given.",
        HelpName = "N",
    };

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

    private readonly Option<ulong> _seed = new("--seed")
    {
        Description = "What the bytes of the disks come from.",
        HelpName = "N",
        DefaultValueFactory = static _ => 1,
    };

    private readonly TraceOption _trace = new();

    private readonly Option<bool> _json = new("--json")
    {
        Description = "Write the report as one JSON object.",
    };

    /// <summary>The verb.</summary>
    public RunUserLevelMonitor(Terminal terminal)
        : base("user-level-monitor", "Device models in a process of the service OS, with a window on the memory of their VM: faults, system calls, copies, and a page that is taken away.", terminal)
    {
        _controller.Validators.Add(static option =>
        {
            string name = option.GetValueOrDefault<string>() ?? "";
            if (!UsbControllers.Names.Contains(name))
                option.AddError($"'{name}' is none of {string.Join(", ", UsbControllers.Names)}.");
        });
        _windowPages.Validators.Add(static option =>
        {
            if (!option.Tokens.Any(token => !int.TryParse(token.Value, out _)) && option.GetValueOrDefault<int?>() is < 1 or > WindowPagesMax)
                option.AddError($"A window has 1 to {WindowPagesMax} pages.");
        });
        foreach (Option option in (Option[])[_controller, _windowPages, _noShootDown, _noFlush, _copy, _zeroCopy, _seed, _trace, _json])
            Add(option);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "run user-level-monitor",
        "run user-level-monitor --no-shootdown",
        "run user-level-monitor --controller xhci --window-pages 4",
        "run user-level-monitor --copy --no-shootdown",
        "run user-level-monitor --zero-copy",
        "run user-level-monitor --trace timeline.json",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line)
    {
        MonitorOptions options = new()
        {
            Access = line.GetValue(_copy) ? MonitorAccess.SystemCall : MonitorAccess.Window,
            WindowPages = line.GetValue(_windowPages),
            IsZeroCopy = line.GetValue(_zeroCopy),
            ShootDown = line.GetValue(_noShootDown) ? ShootDown.None : line.GetValue(_noFlush) ? ShootDown.Unflushed : ShootDown.Flushed,
        };
        if (!TraceOption.TryCreate(line.GetValue(_trace), out FileStream? trace, out string? problem))
            return Terminal.Refuse(problem);
        using (trace)
        {
            try
            {
                MonitorReport report = new MonitorRun(line.GetRequiredValue(_controller), options, line.GetValue(_seed), trace).Run();
                if (line.GetValue(_json))
                    Terminal.WriteJson(report, MonitorJson.Default.MonitorReport);
                else
                    MonitorView.Write(Terminal.Output, report);
                return report.IsClean ? ExitCode.Ok : ExitCode.Violation;
            }
            catch (IOException failure) when (trace is not null)
            {
                return Terminal.Refuse($"The timeline cannot be written: {failure.Message}");
            }
        }
    }
}
