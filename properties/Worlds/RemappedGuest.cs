using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>The software of a guest that has a remapping unit: the driver that the host uses, and a DMA API on top of it.</summary>
internal sealed class RemappedGuest
{
    private const ulong MiB = 1 << 20;
    private const byte Vector = 0x40;
    private const byte FaultVector = 0x41;

    private readonly VirtualMachine _machine;
    private readonly FrameAllocator _buffers;

    private RemappedGuest(VirtualMachine machine, RemappingDriver driver)
    {
        (_machine, Driver) = (machine, driver);
        _buffers = new(new(4 * MiB), machine.Memory.Bytes - (4 * MiB));
    }

    /// <summary>The guest's own driver of its own unit.</summary>
    public RemappingDriver Driver { get; }

    /// <summary>Where buffers come from.</summary>
    public FrameAllocator Buffers => _buffers;

    public static async Task<RemappedGuest> Start(VirtualMachine machine, int interruptEntries = 0)
    {
        RemappingOptions options = new(FaultVector)
        {
            HostAddressWidth = machine.Iommu!.Profile.HostAddressWidth,
            WindowLength = (ulong)machine.Iommu.WindowLength,
            InterruptEntries = interruptEntries,
            Scalable = machine.Iommu.Options.Mode == VirtualIommuMode.Nested,
        };
        FrameAllocator tables = new(new(MiB), 3 * MiB);
        return new(machine, await RemappingDriver.Start(machine.Cpu, VirtualIommu.Registers, tables, options));
    }

    /// <summary>A device in a domain of its own, with nothing mapped.</summary>
    public async Task<RemappingDomain> Attach(SourceId place)
    {
        RemappingDomain domain = Driver.CreateDomain();
        Assert.Equal(DmaRefusal.None, await Driver.Attach(place, domain));
        return domain;
    }

    /// <summary>A device in a domain of its own, with the interrupt remapped where the unit does that.</summary>
    public async Task<(PciDevice Device, RemappedDmaSpace Dma)> Open(SourceId place)
    {
        RemappingDomain domain = await Attach(place);
        RemappedDmaSpace dma = new(_machine.Cpu, _buffers, domain, new(new(256 * MiB), 256 * MiB));
        MessageInterrupt message = MessageInterrupt.To(_machine.Cpu.ApicId, Vector);
        if (Driver.Interrupts is { } interrupts)
            message = (await interrupts.TryAllocate(place, [message]))!.Message;
        PciDevice device = PciDevice.Open(_machine.Cpu, new PciConfigurationPorts(_machine.Cpu), place, dma, Vector, message);
        return (device, dma);
    }
}
