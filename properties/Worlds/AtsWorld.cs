using Dma.Devices;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>A device with a TLB of its own behind a root port, and a remapping unit in legacy mode that lives in time.</summary>
internal sealed class AtsWorld : IDisposable
{
    public const ulong TimeoutNs = 1_000_000;
    public const ushort Domain = 1;

    private const int AtsControl = 0x106;
    private const int PortControl = 0x106;
    private const ulong Done = RemappingWorld.Status + 128;

    private static readonly SourceId PortPlace = new(0, 1, 0);

    private readonly PciHost _pci;
    private uint _ticket;

    public AtsWorld(HardwareProfile? profile = null, AtsDeviceOptions? options = null, ulong memoryBytes = 4 << 20)
    {
        World = new((profile ?? HardwareProfile.Named("friendly")) with { DeviceTlbTimeoutNs = TimeoutNs }, memoryBytes, Loop);
        _pci = new(new(World.Memory), World.Unit);
        PciBridge port = new(0x8086, 0x3420, accessControls: AccessControls.Usual);
        Device = new(Loop, options);
        _pci.Add(port, PortPlace.Device);
        port.Secondary.Add(Device, Place.Device);
        foreach ((int offset, uint value) in ((int, uint)[])[(PciOffset.SecondaryBus, 1), (PciOffset.SubordinateBus, 1), (PciOffset.Command, (uint)PciCommand.BusMaster)])
            _pci.WriteConfiguration(PortPlace, offset, 1, value);
        _pci.WriteConfiguration(Place, PciOffset.Command, 1, (uint)PciCommand.BusMaster);
        _ = World.Enable();
        Table = World.Frame();
        SetContext(TranslationType.WithDeviceTlb);
        EnableAts(true);
    }

    /// <summary>Where the device is.</summary>
    public static SourceId Place { get; } = new(1, 0, 0);

    public EventLoop Loop { get; } = new();

    public RemappingWorld World { get; }

    public AtsDevice Device { get; }

    public PhysicalAddress Table { get; }

    /// <summary>Whether the wait of the last <see cref="Submit"/> has completed.</summary>
    public bool IsDone => World.Memory.TryRead(new PhysicalAddress(Done), out uint status) && status == _ticket;

    public void Dispose() => World.Dispose();

    /// <summary>Puts a context entry for the device, and drops the one that is cached.</summary>
    public void SetContext(TranslationType type, bool present = true)
    {
        World.PutContext(Place, World.Context(Table, Domain) with { TranslationType = type, Present = present });
        World.InvalidateContext(ContextGranularity.Global);
        World.InvalidateIotlb(IotlbGranularity.Global);
    }

    public void EnableAts(bool on, int smallestUnit = 0) =>
        _pci.WriteConfiguration(Place, AtsControl, 2, (on ? 0x8000u : 0) | (uint)smallestUnit);

    public void EnablePasids(uint control) => _pci.WriteConfiguration(Place, 0x10E, 2, control);

    public void CheckAtPort(AccessControls checks) => _pci.WriteConfiguration(PortPlace, PortControl, 2, (uint)checks);

    public void Map(ulong address, ulong frame, bool read = true, bool write = true, int level = 1) => World.Map(
        Table, RemappingWorld.Widest(World.Profile), address, RemappingWorld.Page(frame, read, write) with { PageSize = level > 1 }, level);

    /// <summary>Puts descriptors into the queue, and a wait behind them.</summary>
    public void Submit(params ReadOnlySpan<Bits128> descriptors)
    {
        List<Bits256> all = [];
        foreach (Bits128 descriptor in descriptors)
            all.Add(new(descriptor.Word0, descriptor.Word1, 0, 0));
        Bits128 wait = Wait(++_ticket);
        all.Add(new(wait.Word0, wait.Word1, 0, 0));
        World.SubmitAll([.. all]);
    }

    /// <summary>A wait of its own, for tests that put several.</summary>
    public static Bits128 Wait(uint data, bool fence = false) => new WaitDescriptor
    {
        Type = InvalidationDescriptorType.Wait,
        StatusWrite = true,
        StatusData = data,
        StatusAddress = new(Done),
        Fence = fence,
    }.Raw;

    /// <summary>What the waits wrote last.</summary>
    public uint Status => World.Memory.TryRead(new PhysicalAddress(Done), out uint status) ? status : throw new InvalidOperationException();

    public static Bits128 IotlbPages(ulong address, int mask) => new IotlbDescriptor
    {
        Type = InvalidationDescriptorType.Iotlb,
        Granularity = IotlbGranularity.Page,
        DomainId = new(Domain),
        Address = new(address),
        AddressMask = mask,
    }.Raw;

    /// <summary>An invalidation of 2^mask pages in the device.</summary>
    public static Bits128 DevicePages(ulong address, int mask, int pending = 0) => new DeviceTlbDescriptor
    {
        Type = InvalidationDescriptorType.DeviceTlb,
        Source = Place,
        PhysicalFunction = Place,
        MaximumPending = pending,
        Size = mask != 0,
        Address = new(mask == 0 ? address : (address & ~((4096ul << mask) - 1)) | ((2048ul << mask) - 4096)),
    }.Raw;

    /// <summary>Clears ITE and ICE, as software does that has seen them.</summary>
    public void ClearErrors() => World.Write(
        RegisterOffsets.FaultStatus, new FaultStatus { InvalidationTimeout = true, InvalidationCompletionError = true }.Raw.Value, 4);

    public ulong Load(ulong address)
    {
        Assert.True(World.Memory.TryRead(new PhysicalAddress(address), out ulong value));
        return value;
    }
}
