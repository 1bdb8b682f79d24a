using Dma.Drivers;
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A host on which several VMs share USB hardware by one mechanism, each with one device; a host of its own for each run.</summary>
/// <remarks>
/// The order of calls: <see cref="Plug"/> for each VM, <see cref="Prepare"/>, <see cref="Start"/> for each VM at the same time,
/// <see cref="End"/> for each when the run is over.
/// </remarks>
internal abstract class SharingWorld : IDisposable
{
    /// <summary>Memory of each guest.</summary>
    protected const ulong GuestBytes = 4 << 20;

    /// <summary>Why xHCI has no fullest microframe of a bus that VMs share.</summary>
    protected const string XhciPeriodicRefusal = "a bus for each port";

    private const ulong MiB = 1 << 20;
    private const ulong HostBytes = 64 * MiB;
    private const byte Vector = 0x41;

    private readonly List<VirtualMachine> _machines = [];

    /// <summary>A host that is switched off.</summary>
    /// <param name="plan">What all mechanisms have in common.</param>
    protected SharingWorld(SharingPlan plan)
    {
        Plan = plan;
        Host = new(new()
        {
            MemoryBytes = (2 * HostBytes) + ((ulong)plan.Vms * GuestBytes),
            VmmBytes = HostBytes,
            Profile = HardwareProfile.Named("friendly"),
            Seed = plan.Seed,
            Trace = MachineTimeline.TraceFor(plan.Trace),
        });
    }

    /// <summary>What all mechanisms have in common.</summary>
    public SharingPlan Plan { get; }

    /// <summary>The host.</summary>
    public Host Host { get; }

    /// <summary>The VMs that do the work; there are as many as the plan says once <see cref="Prepare"/> is over.</summary>
    public IReadOnlyList<VirtualMachine> Machines => _machines;

    /// <summary>All buses with devices of VMs.</summary>
    public abstract IReadOnlyList<UsbBus> Buses { get; }

    /// <summary>Why it cannot be said how full the microframes of the shared bus are; empty where there is one such bus for each controller.</summary>
    public virtual string PeriodicRefusal => "";

    /// <summary>Processors that work for the VMs beside theirs and the VMM's, and what they do.</summary>
    public virtual IReadOnlyList<(string Name, Processor Processor)> Helpers => [];

    /// <summary>Time in which a processor did nothing but to look for work of VMs, in nanoseconds; 0 where none does.</summary>
    public virtual ulong BurnedNs => 0;

    /// <summary>Plugs in the device of a VM, before the host is switched on.</summary>
    /// <param name="number">Which VM, from 0.</param>
    /// <param name="device">The device, a high-speed one.</param>
    public abstract void Plug(int number, IUsbDevice device);

    /// <summary>Switches the host on, makes the VMs, and sets up what they share.</summary>
    public virtual async ValueTask Prepare()
    {
        await Host.Start();
        for (int number = 1; number <= Plan.Vms; number++)
            _machines.Add(Host.CreateMachine($"VM {number}", GuestBytes));
    }

    /// <summary>Gives a VM what is its own, and starts the drivers of its controller.</summary>
    /// <param name="number">Which VM, from 0.</param>
    /// <returns>The hub, and the port, at which the guest finds its device.</returns>
    /// <exception cref="DriverException">A driver does not start.</exception>
    public abstract ValueTask<(IUsbHostController Usb, int Port)> Start(int number);

    /// <summary>Takes from a VM what it was given, so that whoever waits there for a transfer is let go.</summary>
    /// <param name="number">Which VM, from 0.</param>
    public abstract ValueTask End(int number);

    /// <inheritdoc/>
    public void Dispose() => Host.Dispose();

    /// <summary>Frames of a guest that its software may use.</summary>
    protected static FrameAllocator FramesOfGuest() => new(new(MiB), GuestBytes - MiB);

    /// <summary>The driver of a controller that belongs to a guest, as the whole of a function.</summary>
    /// <param name="machine">The VM.</param>
    protected static async ValueTask<IUsbHostController> StartAssigned(VirtualMachine machine)
    {
        GuestCpu cpu = machine.Cpu;
        SourceId handle = new((ushort)(await cpu.Call(Hypercall.FindDevice)).Value);
        IDmaSpace dma = GuestDma.Create(machine.Mapping, cpu, FramesOfGuest(), cpu, handle);
        return await UsbHostControllers.Start(PciDevice.Open(cpu, new PciConfigurationPorts(cpu), handle, dma, Vector));
    }

    /// <summary>The driver of a controller that the VMM imitates: the guest knows nothing of a VMM.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="place">Where in its PCI hierarchy.</param>
    /// <param name="hal">What the guest's HAL makes of the device; null for the device as it is.</param>
    protected static async ValueTask<IUsbHostController> StartImitated(VirtualMachine machine, SourceId place, Func<IDevice, IDevice>? hal = null)
    {
        GuestCpu cpu = machine.Cpu;
        PciDevice device = PciDevice.Open(cpu, new PciConfigurationPorts(cpu), place, new IdentityDmaSpace(cpu, FramesOfGuest()), Vector);
        return await UsbHostControllers.Start(hal?.Invoke(device) ?? device);
    }

    /// <summary>How devices of a VM are mapped, and how interrupts reach it, where it has a function of its own: these without exits.</summary>
    protected static void PrepareAssigned(VirtualMachine machine, MappingPolicy policy = MappingPolicy.Static)
    {
        if (machine.Host.Remapping.Interrupts is { CanPost: true })
            machine.Delivery = InterruptDelivery.Posted;
        machine.Mapping = new() { Policy = policy };
    }

    /// <summary>Throws where something was not assigned.</summary>
    protected static void Require(AssignmentResult result)
    {
        if (!result.IsDone)
            throw new InvalidOperationException($"It cannot be assigned: {result.Reason}.");
    }
}

/// <summary>What all mechanisms have in common in one comparison.</summary>
/// <param name="Vms">How many VMs.</param>
/// <param name="Workload">What they do.</param>
/// <param name="Seed">What contents and times come from.</param>
/// <param name="Trace">Where a timeline is written, or null.</param>
internal sealed record SharingPlan(int Vms, SharingWorkload Workload, ulong Seed, Stream? Trace = null);
