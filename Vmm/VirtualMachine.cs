using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A virtual machine: memory, one processor, a PCI hierarchy of its own, and what the VMM lets it do.</summary>
/// <remarks>
/// Its bus is one without memory: memory is what EPT maps. Virtual functions are plugged into its PCI hierarchy as real
/// ones are into the host's, so that the same rules hold for both.
/// </remarks>
public sealed class VirtualMachine
{
    private const byte BootApicId = 0;

    private readonly List<Assignment> _devices = [];
    private readonly List<IGuestDevice> _dmaDevices = [];

    internal VirtualMachine(Host host, int number, string name, GuestMemory memory)
    {
        (Host, Number, Name, Memory) = (host, number, name, memory);
        Interrupts = new(host.Loop);
        Bus = new(new PhysicalMemory());
        Cpu = new(this, host.Bus, new(name, host.Loop, host.Options.Costs), Interrupts.ProcessorOf(BootApicId));
        Schedule = new(Cpu.Processor, Cpu.Gates);
        Delivery = host.Options.Delivery;
        DeviceModels = new(this, new GuestFabric(this));
        Pci = new(Bus, host.Options.WatchModels?.Invoke(this, DeviceModels) ?? DeviceModels);
        Grants = new(this);
        Mover = new(this);
        Hypercalls = new(this);
        Ended = new(host.Loop);
    }

    /// <summary>The host that it runs on.</summary>
    public Host Host { get; }

    /// <summary>Its number, 0 and up; a number may be used again when its VM has ended.</summary>
    public int Number { get; }

    /// <summary>What people call it.</summary>
    public string Name { get; }

    /// <summary>Its memory.</summary>
    public GuestMemory Memory { get; }

    /// <summary>Takes pages of it out of their frames while it runs.</summary>
    public PageMover Mover { get; }

    /// <summary>Its processor, and its way to the VMM.</summary>
    public GuestCpu Cpu { get; }

    /// <summary>Its PCI hierarchy.</summary>
    public PciHost Pci { get; }

    /// <summary>Where interrupt messages for it arrive.</summary>
    public InterruptRouter Interrupts { get; }

    /// <summary>When its processor runs.</summary>
    public GuestSchedule Schedule { get; }

    /// <summary>How interrupts of devices get into it; to be chosen while it has none.</summary>
    /// <exception cref="InvalidOperationException">It has devices, or one is on its way to it or back.</exception>
    public InterruptDelivery Delivery
    {
        get;
        set
        {
            if (value is < InterruptDelivery.Emulated or > InterruptDelivery.Posted)
                throw new ArgumentOutOfRangeException(nameof(value));
            if (Iommu is not null && value == InterruptDelivery.Posted)
                throw new InvalidOperationException($"{Name} has a remapping unit, which was built for interrupts that are not posted.");
            if (HasDevices)
                throw new InvalidOperationException($"{Name} has devices, or one on its way: how their interrupts get to it was decided before.");
            StopPosting();
            field = value;
            Cpu.ApicPage.IsVirtualized = value != InterruptDelivery.Emulated;
        }
    }

    /// <summary>When its devices get its memory and lose it again; to be chosen while it has none. The strict policy, unless set.</summary>
    /// <remarks>Its HAL chooses for itself whether it bounces or keeps mappings: for the VMM, both are strict.</remarks>
    /// <exception cref="InvalidOperationException">It has devices, or one is on its way to it or back.</exception>
    public MappingOptions Mapping
    {
        get;
        set => field = !HasDevices
            ? value
            : throw new InvalidOperationException($"{Name} has devices, or one on its way: what they reach was decided before.");
    }

        = MappingOptions.Strict;

    /// <summary>Its remapping unit; null where it has none, and asks its VMM for DMA by hypercall.</summary>
    public VirtualIommu? Iommu { get; private set; }

    /// <summary>How many notifications its processor took while it ran: each stands for one posted interrupt or more.</summary>
    public ulong Notifications => Schedule.Posting?.Notifications ?? 0;

    /// <summary>The devices that are assigned to it, in the order in which they came.</summary>
    public IReadOnlyList<Assignment> Devices => _devices;

    /// <summary>Addresses that are reserved in its memory map since devices use them on behalf of firmware: it has no memory there.</summary>
    public IReadOnlyList<ReservedRegion> ReservedMemory =>
        [.. Host.Assignments.Where(device => device.Machine == this).SelectMany(device => Host.Reserved.KeptFor(device.Source)).Distinct()];

    /// <summary>What it may let its devices do, besides what isolation asks for; everything, unless set.</summary>
    public IDmaPolicy Policy { get; set; } = AnyDma.Instance;

    /// <summary>How many pages it may have pinned for devices at a time.</summary>
    public ulong PinnedPagesMax { get; set; } = 65_536;

    /// <summary>How many pages it has pinned for devices; a page that is mapped twice counts twice.</summary>
    public ulong PinnedPages
    {
        get;
        internal set
        {
            field = value;
            PinnedPagesMost = Math.Max(PinnedPagesMost, value);
        }
    }

    /// <summary>The most pages that it ever had pinned.</summary>
    public ulong PinnedPagesMost { get; private set; }

    /// <summary>Which of its pages it lets the host use.</summary>
    public GrantTable Grants { get; }

    /// <summary>Whether it still exists.</summary>
    public bool IsRunning { get; private set; } = true;

    /// <summary>What it is called as an owner of frames.</summary>
    public FrameOwner Owner => Memory.Owner;

    /// <summary>Who passes on USB devices to its front end; null where nobody does.</summary>
    internal IFrontEndServer? UsbServer { get; set; }

    /// <summary>Whom it serves as a service VM; null where it is none.</summary>
    internal ServiceVm? Service { get; set; }

    /// <summary>All devices for which it can map memory, in the order in which they came.</summary>
    internal IReadOnlyList<IGuestDevice> DmaDevices => _dmaDevices;

    /// <summary>Raised when it ends.</summary>
    internal Signal Ended { get; }

    internal SystemBus Bus { get; }

    /// <summary>The way of its virtual functions into its memory.</summary>
    internal DeviceModelFabric DeviceModels { get; }

    /// <summary>What the host does for it with its memory or devices; the last one ends first.</summary>
    internal List<IGuestService> Services { get; } = [];

    /// <summary>The devices whose registers are memory that is polled.</summary>
    internal List<PolledRegisters> PolledDevices { get; } = [];

    private bool HasDevices => _dmaDevices.Count != 0 || Host.Assignments.Any(device => device.Machine == this);

    /// <summary>The devices that reach its memory although not all of it is there.</summary>
    internal List<LazyDevice> LazyDevices { get; } = [];

    /// <summary>Lets one of them at a time change what it reaches.</summary>
    internal Gate LazyGate { get; } = new();

    internal BarAllocator BarPlaces { get; } = new(MemoryLayout.BarStart, MemoryLayout.BarEnd);

    internal HypercallDispatcher Hypercalls { get; }

    /// <summary>Gives the VM a remapping unit of its own, at the place where the host has one; from then on it takes no hypercalls for DMA.</summary>
    /// <exception cref="InvalidOperationException">
    /// It has one, or devices, or a user-level monitor, or its memory comes when it is touched: what its tables map could not be pinned. Or the host cannot
    /// give it one of that mode, see <see cref="VirtualIommu.RefusalOf"/>.
    /// </exception>
    public VirtualIommu AddIommu(VirtualIommuOptions? options = null)
    {
        options ??= new();
        if (Memory.Windows.Views.Count != 0)
            throw new InvalidOperationException($"{Name} has a user-level monitor, whose device models know no other addresses than physical ones.");
        if (Iommu is not null || Memory.Lazy is not null || HasDevices)
            throw new InvalidOperationException($"{Name} has a remapping unit or devices, or memory that comes when it is touched.");
        if (VirtualIommu.RefusalOf(Host, options.Mode) is { } refusal)
            throw new InvalidOperationException($"{Name} can have no {options.Mode} remapping unit: {refusal}.");
        return Iommu = new(this, options);
    }

    /// <summary>The name.</summary>
    public override string ToString() => Name;

    /// <summary>Puts an interrupt into the guest, as the VMM does.</summary>
    internal void Inject(MessageInterrupt message)
    {
        // What it speaks of must be in memory before it comes.
        foreach (PolledRegisters device in PolledDevices)
        {
            if (device.Holds(message))
                return;
        }

        Deliver(message);
    }

    /// <summary>Puts an interrupt into the guest, whatever is not in memory yet.</summary>
    internal void Deliver(MessageInterrupt message)
    {
        Host.SharedProcessor?.Run(this);
        Cpu.Processor.Charge(Cost.InterruptInjection);
        Interrupts.Deliver(message);
    }

    /// <summary>Puts an interrupt into the guest from another processor: posted where the VM wants that, so that the guest does not leave.</summary>
    internal void Post(MessageInterrupt message)
    {
        if (Schedule.Posting?.TryPost(message) != true)
            Deliver(message);
    }

    /// <summary>Puts an interrupt into the guest that no device of its own sent: where it runs, it leaves for that.</summary>
    internal void Interrupt(MessageInterrupt message)
    {
        if (Schedule.State == GuestState.Running)
            Cpu.Processor.Charge(Cost.Exit);
        Inject(message);
    }

    /// <summary>Gives back what posted interrupts need; no device is left that has any.</summary>
    internal void StopPosting()
    {
        Schedule.Posting?.Close(Host.Remapping.Interrupts!);
        Schedule.Posting = null;
    }

    internal void Add(Assignment device)
    {
        _devices.Add(device);
        _dmaDevices.Add(device);
    }

    internal void Add(ControllerTenant share)
    {
        Services.Add(share);
        _dmaDevices.Add(share);
    }

    internal void Remove(Assignment device)
    {
        _ = _devices.Remove(device);
        _ = _dmaDevices.Remove(device);
    }

    internal void Remove(ControllerTenant share)
    {
        _ = Services.Remove(share);
        _ = _dmaDevices.Remove(share);
    }

    /// <summary>From here on its software finds no memory, no device and no VMM.</summary>
    internal void Stop()
    {
        IsRunning = false;
        Ended.Raise();
    }
}
