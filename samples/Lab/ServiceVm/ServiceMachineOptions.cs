using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>What a <see cref="ServiceMachine"/> is made of.</summary>
internal sealed record ServiceMachineOptions
{
    /// <summary>How many VMs are served.</summary>
    public int Vms { get; init; } = 2;

    /// <summary>Bytes of memory that the VMM keeps for itself.</summary>
    public ulong VmmBytes { get; init; } = 32 << 20;

    /// <summary>One of <see cref="UsbControllers.Names"/>.</summary>
    public string Controller { get; init; } = UsbControllers.Ehci;

    /// <summary>How VMs have their devices.</summary>
    public ServedDevices Devices { get; init; }

    /// <summary>How processes that model controllers work.</summary>
    public MonitorOptions Monitor { get; init; } = new();

    /// <summary>What the VMM does for the service VM.</summary>
    public ServiceVmOptions Service { get; init; } = new();

    /// <summary>How the back end works.</summary>
    public ServiceBackEndOptions BackEnd { get; init; } = new();

    /// <summary>What all chance comes from.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Who writes down what goes over the bus of the host; null for nobody.</summary>
    public BusTrace? Trace { get; init; }

    /// <summary>Puts something between devices and the remapping unit; null for nothing.</summary>
    public Func<IDmaFabric, IDmaFabric>? Watch { get; init; }

    /// <summary>Puts something between the virtual functions of a VM and its memory; null for nothing.</summary>
    public Func<VirtualMachine, IDmaFabric, IDmaFabric>? WatchModels { get; init; }
}
