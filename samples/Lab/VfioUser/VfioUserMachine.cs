using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>The computer behind a vfio-user socket: one PCI function, a remapping unit that guards it, and a little memory for tables.</summary>
/// <remarks>
/// <code>
/// 0            1000_0000h   C000_0000h   FED9_0000h       1_0000_0000h
/// | tables     | nothing    | BARs       | remapping unit | memory of clients, at their addresses plus 4 GiB
/// </code>
/// The memory of a client appears above 4 GiB as the client maps it, each byte 4 GiB above the address by which the
/// device knows it, so that what is aligned for large pages stays so. Software costs no virtual time here: the wall
/// clock counts it already.
/// </remarks>
internal sealed class VfioUserMachine : IDisposable
{
    /// <summary>How far the memory of clients lies above the addresses that the device has for it.</summary>
    public const ulong ClientStart = MemoryLayout.HighMemoryStart;

    private const ulong MemoryBytes = 256 << 20;
    private const ulong FirmwareBytes = 1 << 20;
    private const ulong PatienceNs = 1_000_000_000;
    private const int InterruptEntries = 4096;
    private const byte ApicId = 0;
    private const byte FaultVector = 0x30;

    private static readonly CostModel _noCosts = new()
    {
        InvalidationNs = 0,
        RegisterAccessNs = 0,
    };

    /// <summary>A machine that has booted, with its function blocked.</summary>
    /// <param name="profile">Which remapping unit it has.</param>
    /// <param name="create">Makes the function.</param>
    /// <exception cref="DeviceException">The remapping unit lacks something that its driver needs.</exception>
    public VfioUserMachine(HardwareProfile profile, Func<EventLoop, PciFunction> create)
    {
        Profile = profile;
        Memory.AddRam(new(0), MemoryBytes);
        Interrupts = new(Loop);
        Line = new(Loop);
        Unit = new(Memory, Interrupts, profile);
        Bus = new(Memory);
        Bus.AddWindow(new(MemoryLayout.RemappingUnit), (ulong)Unit.WindowLength, Unit);
        Pci = new(Bus, Unit, Line);
        Pci.MapEcam(new(MemoryLayout.EcamStart), 0, byte.MaxValue);
        Cpu = new(new("server", Loop, _noCosts), Bus, Interrupts, ApicId);
        PciFunction function = create(Loop);
        Pci.Add(function, Place.Device);
        try
        {
            Remapping = Loop.Run(() => Boot());
            Function = new(this, function);
        }
        catch
        {
            Memory.Dispose();
            throw;
        }

        Loop.Start(CollectFaults);
    }

    /// <summary>Where the function is, and so the requester of all that it sends.</summary>
    public static SourceId Place { get; } = new(0, 0x1D, 0);

    /// <summary>Which remapping unit it has.</summary>
    public HardwareProfile Profile { get; }

    /// <summary>Virtual time.</summary>
    public EventLoop Loop { get; } = new();

    /// <summary>Its memory, that of a client included.</summary>
    public PhysicalMemory Memory { get; } = new();

    /// <summary>What its processor is connected to.</summary>
    public SystemBus Bus { get; }

    /// <summary>Its PCI hierarchy.</summary>
    public PciHost Pci { get; }

    /// <summary>The processor that the server's software runs on.</summary>
    public HostCpu Cpu { get; }

    /// <summary>Where interrupt messages arrive.</summary>
    public InterruptRouter Interrupts { get; }

    /// <summary>Where the pin of the function arrives.</summary>
    public InterruptLine Line { get; }

    /// <summary>The remapping unit, as hardware.</summary>
    public RemappingUnit Unit { get; }

    /// <summary>The remapping unit, as software drives it.</summary>
    public RemappingDriver Remapping { get; }

    /// <summary>The function that is served.</summary>
    public ServedFunction Function { get; }

    /// <summary>How many accesses of the function the unit has refused, as far as it recorded them.</summary>
    public ulong Faults { get; private set; }

    /// <summary>The last of them.</summary>
    public FaultReport LastFault { get; private set; }

    /// <summary>Lets software of the server do something, and hardware what that sets off.</summary>
    public T Do<T>(Func<ValueTask<T>> software) => Loop.Run(() => software().AsTask(), PatienceNs);

    /// <inheritdoc cref="Do{T}(Func{ValueTask{T}})"/>
    public void Do(Func<ValueTask> software) => Loop.Run(() => software().AsTask(), PatienceNs);

    /// <summary>Gives the memory back to the machine below.</summary>
    public void Dispose() => Memory.Dispose();

    private async Task<RemappingDriver> Boot()
    {
        _ = PciResources.Assign(Configuration(), new(MemoryLayout.BarStart), MemoryLayout.BarEnd - MemoryLayout.BarStart);
        RemappingOptions options = new(FaultVector)
        {
            HostAddressWidth = Profile.HostAddressWidth,
            WindowLength = (ulong)Unit.WindowLength,
            InterruptEntries = InterruptEntries,
        };
        FrameAllocator frames = new(new(FirmwareBytes), MemoryBytes - FirmwareBytes);
        return await RemappingDriver.Start(Cpu, new(MemoryLayout.RemappingUnit), frames, options);
    }

    /// <summary>The configuration spaces, as software reaches them.</summary>
    public IPciConfiguration Configuration() => new PciMappedConfiguration(Cpu, new(MemoryLayout.EcamStart), 0, byte.MaxValue);

    // Between two rounds it rests, so that a device that does nothing but fault costs a bounded share of the time.
    private async Task CollectFaults()
    {
        const ulong RestNs = 10_000;
        while (await Remapping.WaitForFault())
        {
            foreach (FaultReport fault in Remapping.DrainFaults())
                (LastFault, Faults) = (fault, Faults + 1);
            await Cpu.Processor.Delay(RestNs);
        }
    }
}
