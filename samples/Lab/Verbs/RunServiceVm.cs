using System.CommandLine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary><c>dma run service-vm</c>: a VM has the controller, and serves the front ends of others.</summary>
internal sealed class RunServiceVm : SharingVerb
{
    private const string Map = "map";
    private const string Rpc = "rpc";
    private const string Fair = "fair";

    private readonly WordOption _usb = new("--usb", "The USB controller", UsbControllers.Ehci, UsbControllers.Xhci);

    private readonly WordOption _transport = new("--transport", "How requests come to the service VM: by rings in shared memory, or each as a call", "ring", Rpc);

    private readonly WordOption _grants = new("--grants", "What becomes of granted pages: mapped for the controller, or copied by the VMM", Map, "copy");

    private readonly WordOption _order = new("--order", "Whose transfer is next: that of a VM that had less, or that of the VM that came first", Fair, "fifo");

    private readonly NumberOption<int> _batch = new("--batch", "N", "How many requests a VM makes at a time", 1, ServiceRun.BatchMax, 4);

    private readonly NumberOption<int> _jitter = new("--jitter", "US", "How much later than it was woken the service VM runs at most, in microseconds", 0, 5_000, 0);

    private readonly Option<bool> _crash = new("--crash")
    {
        Description = "Let the service VM crash in the end, and start another one.",
    };

    /// <summary>The verb.</summary>
    public RunServiceVm(Terminal terminal)
        : base("service-vm", "A VM has the USB controller, with its ordinary driver, and serves other VMs: by rings or calls, with granted pages mapped or copied.", terminal) => Add(_usb, _transport, _grants, _batch, _jitter, _order, _crash);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "run service-vm",
        "run service-vm --vms 2 --usb xhci --batch 1",
        "run service-vm --transport rpc --grants copy",
        "run service-vm --jitter 2000 --crash",
        "run service-vm --trace timeline.json",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line, int vms, ulong seed, FileStream? trace, bool isJson)
    {
        ServiceMachineOptions options = new()
        {
            Vms = vms,
            Controller = line.GetRequiredValue(_usb),
            Seed = seed,
            Service = new()
            {
                Transport = line.GetRequiredValue(_transport) == Rpc ? ServiceTransport.Call : ServiceTransport.SharedRing,
                JitterNsMax = (ulong)line.GetValue(_jitter) * 1000,
            },
            BackEnd = new()
            {
                CopiedBytesMax = line.GetRequiredValue(_grants) == Map ? 0 : int.MaxValue,
                Sharing = new() { Order = line.GetRequiredValue(_order) == Fair ? TransferOrder.DeficitRoundRobin : TransferOrder.FirstComeFirstServed },
            },
        };
        ServiceReport report = new ServiceRun(options, line.GetValue(_batch), line.GetValue(_crash), trace).Run();
        if (isJson)
            Terminal.WriteJson(report, ServiceJson.Default.ServiceReport);
        else
            ServiceView.Write(Terminal.Output, report);
        return report.IsClean ? ExitCode.Ok : ExitCode.Violation;
    }
}
