using Dma.Iommu;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What decides how a host is built.</summary>
public sealed record HostOptions
{
    /// <summary>Bytes of memory, a multiple of 4096; memory that nobody touches costs none. 8 MiB to a terabyte and more.</summary>
    public ulong MemoryBytes { get; init; } = 8ul << 30;

    /// <summary>Bytes of it, from address 0, for the VMM's own software: the tables of the remapping unit come from there.</summary>
    public ulong VmmBytes { get; init; } = 64 << 20;

    /// <summary>Which remapping unit it has.</summary>
    public HardwareProfile Profile { get; init; } = HardwareProfile.Named("friendly");

    /// <summary>Whether interrupts are remapped where the unit can, so that a device raises nothing but its own.</summary>
    public bool RemapInterrupts { get; init; } = true;

    /// <summary>How interrupts of devices get into a VM that chooses nothing else.</summary>
    public InterruptDelivery Delivery { get; init; } = InterruptDelivery.Remapped;

    /// <summary>
    /// Whether the remapping unit runs in scalable mode, so that devices can ask for pages, and processes of guests can share
    /// their address spaces with them. It needs a unit that has it.
    /// </summary>
    public bool Scalable { get; init; }

    /// <summary>
    /// Whether all functions that cannot be kept apart go to one VM together, or not at all. To turn it off is to trust
    /// that devices do not do what nothing keeps them from.
    /// </summary>
    public bool KeepsGroupsTogether { get; init; } = true;

    /// <summary>Memory that firmware set aside for some devices to use at all times (RMRR).</summary>
    public IReadOnlyList<ReservedRegion> ReservedMemory { get; init; } = [];

    /// <summary>What becomes of a device that has such memory.</summary>
    public ReservedMemoryPolicy ReservedMemoryPolicy { get; init; } = ReservedMemoryPolicy.Refuse;

    /// <summary>When an assigned device that faults is put in quarantine; null for never.</summary>
    public FaultStorm? FaultStorm { get; init; }

    /// <summary>
    /// What happens before each write of the VMM's own software, to configuration space, registers and tables: an exception
    /// from there stops the software between two writes, as a crash does. Null for nothing.
    /// </summary>
    public Action? BeforeWrite { get; init; }

    /// <summary>
    /// Whether a VM may have a device that nothing translates for (<see cref="Dma.Hal.MappingPolicy.Untranslated"/>): it reaches all memory
    /// of the machine, as on a machine without a remapping unit.
    /// </summary>
    public bool AllowsUntranslated { get; init; }

    /// <summary>What things cost.</summary>
    public CostModel Costs { get; init; } = CostModel.Default;

    /// <summary>What all chance in this host comes from.</summary>
    public ulong Seed { get; init; }

    /// <summary>The virtual time that it lives in; null for one of its own. Computers that have to do with each other share one.</summary>
    public EventLoop? Loop { get; init; }

    /// <summary>Who writes down what goes over the bus; null for nobody.</summary>
    public BusTrace? Trace { get; init; }

    /// <summary>Puts something between devices and the remapping unit that looks at their requests; null for nothing.</summary>
    public Func<IDmaFabric, IDmaFabric>? Watch { get; init; }

    /// <summary>Puts something between the virtual functions of a VM and its memory that looks at their requests; null for nothing.</summary>
    public Func<VirtualMachine, IDmaFabric, IDmaFabric>? WatchModels { get; init; }

    /// <summary>Puts something before the processors that looks at interrupt messages, of devices and of the unit; null for nothing.</summary>
    public Func<IInterruptSink, IInterruptSink>? WatchInterrupts { get; init; }
}
