using System.CommandLine;
using System.CommandLine.Parsing;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary><c>dma run service-vm-models</c>: processes in a service VM model controllers for VMs, with windows on their memory.</summary>
internal sealed class RunServiceVmModels : SharingVerb
{
    private readonly WordOption _usb = new("--usb", "The USB controller, that of the service VM and those that it models", UsbControllers.Ehci, UsbControllers.Xhci);

    private readonly NumberOption<int> _windowPages = new("--window-pages", "N", "Pages of the window of each process; as many as its VM has, unless given", 1, 65_536);

    private readonly Option<bool> _zeroCopy = new("--zero-copy")
    {
        Description = "Let bulk data of EHCI controllers go straight between devices and pages of VMs.",
    };

    private readonly NumberOption<int> _jitter = new("--jitter", "US", "How much later than it was woken the service VM runs at most, in microseconds", 0, 5_000, 0);

    private readonly Option<bool> _noShootDown = new("--no-shootdown")
    {
        Description = "Let the VMM leave a page mapped that loses its frame, to see what comes of it.",
    };

    private readonly Option<bool> _noFlush = new("--no-flush")
    {
        Description = "Let the VMM unmap it, and neither VMM nor service VM flush what the processor caches of it.",
    };

    private readonly Option<bool> _crash = new("--crash")
    {
        Description = "Let the service VM crash in the end, and start another one.",
    };

    /// <summary>The verb.</summary>
    public RunServiceVmModels(Terminal terminal)
        : base("service-vm-models", "A VM has the USB controller, and processes in it model controllers for other VMs and their ordinary drivers, with windows on memory that the VMM checks.", terminal)
    {
        Validators.Add(Check);
        Add(_usb, _windowPages, _zeroCopy, _jitter, _noShootDown, _noFlush, _crash);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "run service-vm-models",
        "run service-vm-models --vms 2 --usb xhci --window-pages 8",
        "run service-vm-models --zero-copy",
        "run service-vm-models --no-shootdown",
        "run service-vm-models --jitter 100 --crash",
        "run service-vm-models --trace timeline.json",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line, int vms, ulong seed, FileStream? trace, bool isJson)
    {
        bool isUnflushed = line.GetValue(_noFlush);
        ServiceMachineOptions options = new()
        {
            Vms = vms,
            Controller = line.GetRequiredValue(_usb),
            Seed = seed,
            Service = new()
            {
                JitterNsMax = (ulong)line.GetValue(_jitter) * 1000,
                ShootDown = line.GetValue(_noShootDown) ? ShootDown.None : isUnflushed ? ShootDown.Unflushed : ShootDown.Flushed,
            },
            Monitor = new() { WindowPages = _windowPages.Given(line), IsZeroCopy = line.GetValue(_zeroCopy), ShootDown = isUnflushed ? ShootDown.Unflushed : ShootDown.Flushed },
        };
        ModelledReport report = new ModelledRun(options, line.GetValue(_crash), trace).Run();
        if (isJson)
            Terminal.WriteJson(report, ModelledJson.Default.ModelledReport);
        else
            ModelledView.Write(Terminal.Output, report);
        return report.IsClean ? ExitCode.Ok : ExitCode.Violation;
    }

    private void Check(CommandResult line)
    {
        if (line.GetValue(_zeroCopy) && line.GetValue(_usb) == UsbControllers.Xhci)
            line.AddError("--zero-copy is for --usb ehci: data of a modelled xHCI controller is copied.");
    }
}
