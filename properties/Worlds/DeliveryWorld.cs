using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A guest with some devices, whose drivers have set up a vector each, and an onlooker who may interfere whenever a table or descriptor is written.</summary>
internal sealed class DeliveryWorld : IDisposable, IMemoryWatcher
{
    public const byte FirstVector = 0x41;
    public const int VectorStep = 0x10;

    private const ulong MiB = 1 << 20;
    private readonly MemoryWatch _watch;
    private readonly int[] _msi;

    /// <summary>Everything is set up, and entries have followed.</summary>
    /// <param name="delivery">How interrupts get into the guest.</param>
    /// <param name="devices">How many devices it has.</param>
    /// <param name="profile">The remapping unit.</param>
    /// <param name="urgent">The devices whose interrupts are urgent.</param>
    public DeliveryWorld(InterruptDelivery delivery, int devices, string profile = "friendly", params int[] urgent)
    {
        Host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = 16 * MiB, Profile = HardwareProfile.Named(profile), Delivery = delivery });
        Devices = [.. Enumerable.Range(0, devices).Select(_ => new DmaDevice())];
        for (int number = 0; number < devices; number++)
            Host.Pci.Add(Devices[number], number + 1);
        Host.Boot();
        Guest = Host.CreateMachine("guest", 2 * MiB);
        Assignments = [.. Devices.Select(device => Host.AssignmentOf(device.Source))];
        Signals = new Signal[devices];
        _msi = new int[devices];
        foreach (int number in urgent)
            Assignments[number].IsUrgent = true;
        Host.Loop.Run(SetUp);
        _watch = Host.Memory.Watch(this);
        _watch.Add(Table.Table);
        if (devices != 0 && Assignments[0].IsPosted)
            _watch.Add(new PostedInterrupt(Entry(0)).Descriptor);
    }

    public Host Host { get; }

    public VirtualMachine Guest { get; }

    public DmaDevice[] Devices { get; }

    public Assignment[] Assignments { get; }

    public Signal[] Signals { get; }

    /// <summary>What somebody else does at each write of the interrupt table or a descriptor.</summary>
    public Action? Interference { get; set; }

    public Meter Meter => Guest.Cpu.Processor.Meter;

    public PostedInterruptDescriptor Descriptor
    {
        get
        {
            Assert.True(Host.Memory.TryRead(new PostedInterrupt(Entry(0)).Descriptor, out Bits512 raw));
            return new(raw);
        }
    }

    private InterruptTableAddress Table =>
        new(new(Host.Bus.Load(new(MemoryLayout.RemappingUnit + RegisterOffsets.InterruptTableAddress), 8)));

    /// <summary>An entry of the interrupt table, as it is in memory.</summary>
    public Bits128 Entry(int index)
    {
        Assert.True(Host.Memory.TryRead(Table.Table + (ulong)(16 * index), out Bits128 raw));
        return raw;
    }

    /// <summary>The guest writes a register of its local APIC.</summary>
    public void Write(int offset, uint value) => Guest.Cpu.Store(new(LocalApic.Start + (ulong)offset), 4, value);

    /// <summary>The guest masks the interrupt of a device, or lets it through.</summary>
    public void Mask(int device, bool on) => Guest.Pci.WriteConfiguration(PlaceOf(device), _msi[device] + 16, 4, on ? 1u : 0);

    /// <summary>Lets time pass.</summary>
    public void Settle(ulong timeNs = 100_000) => Host.Loop.RunFor(timeNs);

    public void Written(PhysicalAddress address, ulong length) => Interference?.Invoke();

    public void Dispose()
    {
        _watch.Dispose();
        Host.Dispose();
    }

    private static SourceId PlaceOf(int device) => new(0, (byte)(device + 1), 0);

    private async Task SetUp()
    {
        for (int number = 0; number < Devices.Length; number++)
        {
            Assert.Equal(AssignmentResult.Done, await Assignments[number].Assign(Guest, PlaceOf(number)));
            byte vector = (byte)(FirstVector + (VectorStep * number));
            Signals[number] = Guest.Cpu.Vector(vector);
            PciConfigurationPorts configuration = new(Guest.Cpu);
            _ = PciDevice.Open(Guest.Cpu, configuration, PlaceOf(number), new IdentityDmaSpace(Guest.Cpu, new(new(MiB), MiB)), vector);
            _msi[number] = PciCapabilityList.Find(configuration.Open(PlaceOf(number)), PlaceOf(number), PciCapabilityId.Msi);
        }

        await Host.Cpu.Processor.Delay(1_000_000);
    }
}
