using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A host with one ordinary EHCI controller, whose root ports have a microphone, a disk, a keyboard, and disks; each is that of a VM.</summary>
internal sealed class MergedMachine : IDisposable
{
    private const ulong GuestBytes = 4 << 20;
    private const ulong VmmBytes = 32 << 20;
    private const ulong KernelBytes = 1 << 20;
    private const int DiskBytes = 256 * 1024;
    private const int ControllerPlace = 2;
    private const int GuestPlace = 4;
    private const byte Vector = 0x40;

    private readonly MachineTimeline? _timeline;

    /// <summary>Builds and boots it.</summary>
    /// <param name="vms">How many VMs.</param>
    /// <param name="options">Who is to merge, and what is left out.</param>
    /// <param name="seed">What the bytes of the disks come from.</param>
    /// <param name="trace">Where a timeline is written, or null.</param>
    public MergedMachine(int vms, MergeOptions options, ulong seed, Stream? trace)
    {
        Host = new(new() { MemoryBytes = VmmBytes + ((ulong)vms * GuestBytes) + VmmBytes, VmmBytes = VmmBytes, Seed = seed, Trace = MachineTimeline.TraceFor(trace) });
        EhciOptions ports = new() { PortCount = vms };
        Engine = options.Method == MergeMethod.Hardware ? new(Host.Loop, EngineOf(ports, options.Without)) : null;
        Controller = (EhciFunction?)Engine ?? new EhciController(Host.Loop, ports);
        Keyboard = new(Host.Loop);
        Disks = [.. Enumerable.Range(1, vms).Select(Disk)];
        if (Engine is { } engine)
            engine.PlugInto(Host.Pci, ControllerPlace);
        else
            Host.Pci.Add(Controller, ControllerPlace);
        Host.Boot();
        Machines = [.. Enumerable.Range(1, vms).Select(number => Host.CreateMachine($"VM {number}", GuestBytes))];
        if (trace is not null)
            _timeline = new(trace, Host);
        string[] names = [.. Machines.Select(machine => machine.Name)];
        Account = new(Controller.Usb, names);
        PacketOwners owners = new(Host.Loop, Account) { Timeline = _timeline is null ? null : new(_timeline.Timeline, names) };
        owners.Watch(Controller.Usb);
        for (int number = 0; number < vms; number++)
        {
            IUsbDevice device = DeviceOf(number);
            Controller.Usb.Ports[number].Plug(device);
            owners.Add(device, number, isPeriodic: WorkOf(number) != MergedWork.Disk);
        }
    }

    /// <summary>The host.</summary>
    public Host Host { get; }

    /// <summary>The controller.</summary>
    public EhciFunction Controller { get; }

    /// <summary>The controller, where it has a merge engine.</summary>
    public MergingEhciController? Engine { get; }

    /// <summary>The account of the bus, by VM.</summary>
    public BusAccount Account { get; }

    /// <summary>The keyboard of the third VM.</summary>
    public KeyboardDevice Keyboard { get; }

    /// <summary>What the disk of each VM holds; not each has one.</summary>
    public IReadOnlyList<byte[]> Disks { get; }

    /// <summary>The VMs.</summary>
    public IReadOnlyList<VirtualMachine> Machines { get; }

    /// <summary>The timeline, or null.</summary>
    public Timeline? Timeline => _timeline?.Timeline;

    /// <summary>What a VM has.</summary>
    public static MergedWork WorkOf(int number) => number switch
    {
        0 => MergedWork.Sound,
        2 => MergedWork.Keys,
        _ => MergedWork.Disk,
    };

    /// <summary>Gives a VM its virtual controller, and starts the driver that EHCI controllers have.</summary>
    public async Task<EhciDriver> Start(MergedUsbController sharing, int number)
    {
        VirtualMachine machine = Machines[number];
        SourceId place = new(0, GuestPlace, 0);
        AssignmentResult result = await sharing.Give(machine, place, number + 1);
        if (!result.IsDone)
            throw new InvalidOperationException($"The controller cannot be shared: {result.Reason}.");

        // A guest that knows nothing of a VMM: its memory is where it believes it to be, for its devices too.
        IdentityDmaSpace dma = new(machine.Cpu, new FrameAllocator(new(KernelBytes), GuestBytes - KernelBytes));
        return await EhciDriver.Start(PciDevice.Open(machine.Cpu, new PciConfigurationPorts(machine.Cpu), place, dma, Vector));
    }

    /// <summary>Notes in the timeline what a VM did since a time.</summary>
    public void Note(int number, string what, ulong sinceNs) => _timeline?.Note(number, what, sinceNs);

    /// <summary>Ends the timeline.</summary>
    public void Dispose()
    {
        _timeline?.Dispose();
        Host.Dispose();
    }

    private static MergingEhciOptions EngineOf(EhciOptions controller, MergeSteps without) => new()
    {
        Controller = controller,
        SlotCount = controller.PortCount,
        SharesRequester = without.HasFlag(MergeSteps.Requesters),
        AnswersLate = !without.HasFlag(MergeSteps.Doorbell),
        HidesHeads = !without.HasFlag(MergeSteps.Heads),
        RepeatsFrames = !without.HasFlag(MergeSteps.Repetition),
        Addresses = new() { IsOn = !without.HasFlag(MergeSteps.Addresses) },
    };

    private IUsbDevice DeviceOf(int number) => WorkOf(number) switch
    {
        MergedWork.Sound => new AudioSourceDevice(Host.Loop, new SineWave(hertz: 440)),
        MergedWork.Keys => Keyboard,
        _ => new MassStorageDevice(new MemoryDiskImage(Disks[number])),
    };

    private byte[] Disk(int number)
    {
        byte[] bytes = new byte[DiskBytes];
        Host.RandomFor($"disk {number}").NextBytes(bytes);
        return bytes;
    }
}
