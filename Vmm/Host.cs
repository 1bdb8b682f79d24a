using System.Numerics;
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>One simulated computer and the VMM on it: memory, PCI, a remapping unit, and the virtual machines.</summary>
/// <remarks>
/// Build it, plug functions into <see cref="Pci"/>, then <see cref="Boot"/> it: firmware numbers buses and places BARs,
/// and the VMM starts the remapping unit, which from then on blocks every device that was not given an address space.
/// Everything runs on <see cref="Loop"/>.
/// </remarks>
public sealed class Host : IDisposable
{
    private const ulong FirmwareBytes = 1 << 20;
    private const byte ApicId = 0;
    private const byte FaultVector = 0x30;
    private const byte PageRequestVector = 0x31;

    private readonly SortedDictionary<int, VirtualMachine> _machines = [];
    private readonly Dictionary<SourceId, Assignment> _assignments = [];
    private readonly Dictionary<PciFunction, List<ulong>> _hotPlugged = [];
    private readonly DeviceGroups _groups;
    private readonly Meter _past = new();
    private RemappingDriver? _remapping;
    private PciTopology? _topology;
    private PortAccessControl? _accessControl;
    private BarAllocator? _barPlaces;

    /// <summary>A computer that is switched off.</summary>
    /// <exception cref="ArgumentException">Its memory does not fit together, or is wider than the remapping unit's addresses.</exception>
    public Host(HostOptions options)
    {
        Options = options;
        Loop = options.Loop ?? new();
        Memory = CreateMemory(options);
        Frames = new(Memory) { BeforeTableWrite = options.BeforeWrite };
        _ = Frames.TryReserve(FrameOwner.Vmm, new(0), options.VmmBytes);
        foreach (ReservedRegion region in options.ReservedMemory)
        {
            if (region.Length == 0 || !FrameSize.Page4K.IsAligned(region.Start.Value | region.Length) || !Frames.TryReserve(FrameOwner.Vmm, region.Start, region.Length))
                throw new ArgumentException($"Reserved memory is whole pages of memory that nobody has; {region} is not.", nameof(options));
        }

        Interrupts = new(Loop);
        IInterruptSink interrupts = options.Trace?.Watch(Interrupts, Loop) ?? Interrupts;
        interrupts = options.WatchInterrupts?.Invoke(interrupts) ?? interrupts;
        Unit = new(Memory, interrupts, options.Profile, Loop) { Observer = options.Trace?.WatchFaults(Loop) };
        Bus = new(Memory);
        Bus.AddWindow(new(MemoryLayout.RemappingUnit), (ulong)Unit.WindowLength, Unit);
        IDmaFabric fabric = options.Trace?.Watch(Unit, Loop) ?? Unit;
        Pci = new(Bus, options.Watch?.Invoke(fabric) ?? fabric);
        Pci.MapEcam(new(MemoryLayout.EcamStart), 0, byte.MaxValue);
        Cpu = new(new("host", Loop, options.Costs), Bus, Interrupts, ApicId, options.BeforeWrite);
        Configuration = new PciMappedConfiguration(Cpu, new(MemoryLayout.EcamStart), 0, byte.MaxValue);
        Vectors = new(Interrupts);
        Faults = new(this);
        Reserved = new(this);
        _groups = new(this);
    }

    /// <summary>How it was built.</summary>
    public HostOptions Options { get; }

    /// <summary>Virtual time.</summary>
    public EventLoop Loop { get; }

    /// <summary>Its memory.</summary>
    public PhysicalMemory Memory { get; }

    /// <summary>Who owns which frame of it.</summary>
    public FrameTable Frames { get; }

    /// <summary>What its processors are connected to.</summary>
    public SystemBus Bus { get; }

    /// <summary>Where interrupt messages arrive.</summary>
    public InterruptRouter Interrupts { get; }

    /// <summary>The remapping unit, as hardware.</summary>
    public RemappingUnit Unit { get; }

    /// <summary>Its PCI hierarchy.</summary>
    public PciHost Pci { get; }

    /// <summary>The processor that the VMM's own software runs on.</summary>
    public HostCpu Cpu { get; }

    /// <summary>The remapping unit, as the VMM drives it.</summary>
    /// <exception cref="InvalidOperationException">The host was not booted.</exception>
    public RemappingDriver Remapping => _remapping ?? throw NotBooted();

    /// <summary>The faults that devices caused.</summary>
    public FaultMonitor Faults { get; }

    /// <summary>The virtual machines, by number.</summary>
    public IReadOnlyCollection<VirtualMachine> Machines => _machines.Values;

    /// <summary>Devices that are, or once were, on their way to a VM.</summary>
    public IReadOnlyCollection<Assignment> Assignments => _assignments.Values;

    /// <summary>The processor that its VMs take turns on, where what that costs counts; null where each has one of its own.</summary>
    public SharedProcessor? SharedProcessor { get; set; }

    /// <summary>The configuration spaces of its functions, as software on its processor reaches them.</summary>
    public IPciConfiguration Configuration { get; }

    internal PciTopology Topology => _topology ?? throw NotBooted();

    /// <summary>The access control services of its ports.</summary>
    internal PortAccessControl AccessControl => _accessControl ?? throw NotBooted();

    internal HostVectors Vectors { get; }

    internal ReservedMemory Reserved { get; }

    /// <summary>Switches it on, and runs until the VMM is ready.</summary>
    public void Boot() => Loop.Run(() => Start().AsTask());

    /// <summary>Switches it on: firmware first, then the VMM.</summary>
    public async ValueTask Start()
    {
        if (_remapping is not null)
            throw new InvalidOperationException("The host was booted already.");
        GuestPhysicalAddress free = PciResources.Assign(Configuration, new(MemoryLayout.BarStart), MemoryLayout.BarEnd - MemoryLayout.BarStart);
        _barPlaces = new(free.Value, MemoryLayout.BarEnd);
        _topology = new(Configuration);
        _accessControl = new(Configuration, _topology);
        FrameAllocator frames = new(new(FirmwareBytes), Options.VmmBytes - FirmwareBytes);
        RemappingOptions options = new(FaultVector)
        {
            HostAddressWidth = Options.Profile.HostAddressWidth,
            WindowLength = (ulong)Unit.WindowLength,
            InterruptEntries = Options.RemapInterrupts ? InterruptEntries(Options) : 0,
            Scalable = Options.Scalable,
            PageRequestVector = PageRequestVector,
        };
        _remapping = await RemappingDriver.Start(Cpu, new(MemoryLayout.RemappingUnit), frames, options);
        await Reserved.OpenAll();
        Faults.Run();
    }

    /// <summary>Plugs a function into bus 0 while the host runs, and places its BARs.</summary>
    /// <param name="function">The function; no bridge.</param>
    /// <param name="device">Its device number, a free one.</param>
    /// <returns><c>false</c>, with the function plugged in but not all its BARs placed, where no room is left for them.</returns>
    public bool HotPlug(PciFunction function, int device)
    {
        BarAllocator places = _barPlaces ?? throw NotBooted();
        Pci.Add(function, device);
        _groups.Forget();
        List<ulong> taken = [];
        _hotPlugged.Add(function, taken);
        IConfigurationAccess space = Configuration.Open(function.Source);
        foreach (PciBarInfo bar in PciBarSizing.Read(space, function.Source))
        {
            if (!places.TryTake(bar.Length, out ulong address))
                return false;
            taken.Add(address);
            space.Write32(PciOffset.Bar0 + (4 * bar.Index), (uint)address);
        }

        return true;
    }

    /// <summary>Somebody pulls a function out while the host runs, without asking: a bridge takes with it all that is below.</summary>
    /// <remarks>
    /// From that instant on it answers with all ones. Its slot says so, and the VMM clears up: the guests that had one of
    /// these devices do not see it any more, and nothing of it is left. When it completes, the place is free again.
    /// </remarks>
    /// <param name="function">The function, plugged in.</param>
    public async ValueTask HotUnplug(PciFunction function)
    {
        PciBus bus = function.Bus ?? throw new ArgumentException("The function is not plugged in.", nameof(function));
        SourceId[] gone = [.. SourcesFrom(function)];
        bus.Remove(function);
        foreach (SourceId source in gone)
        {
            if (FindAssignment(source) is { } assignment)
                await assignment.Vanish();
            await Reserved.Close(source);
        }

        if (_hotPlugged.Remove(function, out List<ulong>? places))
        {
            foreach (ulong place in places)
                _barPlaces!.Return(place);
        }

        _groups.Forget();
    }

    /// <summary>A random number generator for one purpose: the same seed and purpose give the same numbers, whatever others draw.</summary>
    public Random RandomFor(string purpose)
    {
        ulong hash = 0xCBF29CE484222325 ^ Options.Seed;
        foreach (char character in purpose)
            hash = (hash ^ character) * 0x100000001B3;
        return new((int)(hash ^ (hash >> 32)));
    }

    /// <summary>A new VM, with its memory; its processor has nothing to do yet.</summary>
    /// <param name="name">What people shall call it.</param>
    /// <param name="bytes">Bytes of memory, a multiple of 4096.</param>
    /// <returns><c>null</c>, and nothing changed, where the host has no memory for it.</returns>
    public VirtualMachine? TryCreateMachine(string name, ulong bytes) =>
        Add(name, number => GuestMemory.TryCreate(Frames, FrameOwner.Guest(number), bytes));

    /// <summary>A new VM whose pages get frames when they are touched, and lose them when others need them.</summary>
    /// <param name="name">What people shall call it.</param>
    /// <param name="bytes">Bytes of memory as the guest sees it, a multiple of 4096.</param>
    /// <param name="framesMax">How many frames of 4 KiB it may have at a time, <see cref="LazyMemory.FramesMin"/> at least.</param>
    /// <returns><c>null</c>, and nothing changed, where the host has no memory for it.</returns>
    public VirtualMachine? TryCreateLazyMachine(string name, ulong bytes, int framesMax)
    {
        VirtualMachine? machine = Add(name, number => GuestMemory.TryCreateLazy(Frames, FrameOwner.Guest(number), bytes, framesMax));

        // A page that is pinned keeps its frame: most frames must be free to move.
        if (machine is not null)
            machine.PinnedPagesMax = (ulong)framesMax / 4;
        return machine;
    }

    /// <summary>A new VM.</summary>
    /// <inheritdoc cref="TryCreateMachine"/>
    /// <exception cref="InvalidOperationException">The host has no memory for it.</exception>
    public VirtualMachine CreateMachine(string name, ulong bytes) =>
        TryCreateMachine(name, bytes) ?? throw new InvalidOperationException($"The host has no {bytes} bytes left for {name}.");

    /// <summary>Ends a VM: its devices go back to the host, then its memory.</summary>
    public async ValueTask Destroy(VirtualMachine machine)
    {
        if (!machine.IsRunning)
            return;
        machine.Stop();
        foreach (IGuestService service in machine.Services.ToArray().Reverse())
            await service.Close();
        foreach (Assignment device in _assignments.Values.Where(device => device.Machine == machine).ToArray())
        {
            AssignmentResult result = device.Machine == machine ? await device.TakeBack() : AssignmentResult.Done;
            if (device.Machine == machine)
                throw new InvalidOperationException($"{device.Source} cannot be taken back from {machine.Name}: {result.Reason}.");
        }

        machine.StopPosting();
        machine.Memory.Release();
        Add(machine.Cpu.Processor.Meter, _past);
        _machines.Remove(machine.Number);
    }

    /// <summary>A device and its way to a VM and back; the same object each time.</summary>
    public Assignment AssignmentOf(SourceId source)
    {
        if (!_assignments.TryGetValue(source, out Assignment? assignment))
            _assignments.Add(source, assignment = new(this, source));
        return assignment;
    }

    /// <summary>The functions that a function cannot be kept apart from, and that go to a VM with it.</summary>
    public DeviceGroup GroupOf(SourceId source) => _groups.Of(source);

    /// <summary>The domain in which the host lets a device reach the memory that firmware set aside for it; null where it has none, or a VM has the device.</summary>
    /// <remarks>A driver of the host whose device has one maps in it too.</remarks>
    public RemappingDomain? ReservedDomainOf(SourceId source) => Reserved.DomainOf(source);

    internal Assignment? FindAssignment(SourceId source) => _assignments.GetValueOrDefault(source);

    /// <summary>The devices whose requests arrive under a source-id and that a VM has, is about to have, or had a moment ago.</summary>
    internal IEnumerable<Assignment> AssignedUnder(SourceId requester) =>
        FindAssignment(requester) is { Reach: { } reach } own && reach.Source == requester && reach.Users == 1
            ? [own]
            : _assignments.Values.Where(assignment => assignment.Reach?.Source == requester);

    private static IEnumerable<SourceId> SourcesFrom(PciFunction function) => function is PciBridge bridge
        ? [function.Source, .. bridge.Secondary.Functions.SelectMany(SourcesFrom)]
        : [function.Source];

    /// <summary>What was charged on this host in all: to the VMM, and to VMs that run or have ended.</summary>
    public Meter Total()
    {
        Meter total = new();
        Add(Cpu.Processor.Meter, total);
        Add(_past, total);
        foreach (VirtualMachine machine in _machines.Values)
            Add(machine.Cpu.Processor.Meter, total);
        return total;
    }

    /// <summary>Gives the memory back to the machine below.</summary>
    public void Dispose() => Memory.Dispose();

    private VirtualMachine? Add(string name, Func<int, GuestMemory?> create)
    {
        int number = 0;
        while (_machines.ContainsKey(number))
            number++;
        if (create(number) is not { } memory)
            return null;
        VirtualMachine machine = new(this, number, name, memory);
        _machines.Add(number, machine);
        return machine;
    }

    private static InvalidOperationException NotBooted() => new("The host was not booted.");

    private static void Add(Meter from, Meter to)
    {
        foreach (Cost cost in Enum.GetValues<Cost>())
            to.Add(cost, from[cost]);
    }

    // A sixty-fourth of the memory for tables, at 16 bytes each, but a frame at least.
    private static int InterruptEntries(HostOptions options)
    {
        ulong wanted = (options.VmmBytes - FirmwareBytes) / (64 * 16);
        return (int)Math.Clamp(BitOperations.RoundUpToPowerOf2(wanted + 1) / 2, 256, InterruptRemapping.EntriesMax);
    }

    private static PhysicalMemory CreateMemory(HostOptions options)
    {
        if (options.VmmBytes <= FirmwareBytes || options.VmmBytes > Math.Min(options.MemoryBytes, MemoryLayout.LowMemoryEnd)
            || !FrameSize.Page4K.IsAligned(options.VmmBytes))
        {
            throw new ArgumentException("The VMM's own memory is whole pages, more than 1 MiB, and lies below 2 GiB.", nameof(options));
        }

        PhysicalMemory memory = new();
        foreach ((ulong start, ulong length) in MemoryLayout.Memory(options.MemoryBytes))
        {
            if ((start + length - 1) >> options.Profile.HostAddressWidth != 0)
                throw new ArgumentException($"Memory up to {start + length:X}h is beyond the {options.Profile.HostAddressWidth} address bits of the remapping unit.", nameof(options));
            memory.AddRam(new(start), length);
        }

        return memory;
    }
}
