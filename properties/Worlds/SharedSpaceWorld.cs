using Dma.Devices;
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Bare metal with a unit in scalable mode, a device that asks for pages, and processes with page tables in memory.</summary>
internal sealed class SharedSpaceWorld : IDisposable
{
    public const byte FaultVector = 48;
    public const byte PageVector = 49;
    private const ulong Bar = 0xC000_0000;

    public SharedSpaceWorld(HardwareProfile profile, uint capacity = 64)
    {
        Machine = new(profile);
        Device = new(Machine.Loop, capacity);
        Machine.Pci.MapEcam(new(0xB000_0000), 0, 255);
        Machine.Pci.Add(Device, 3);
        Configuration = new PciMappedConfiguration(Machine.Cpu, new(0xB000_0000), 0, 255).Open(Device.Source);
        Configuration.Write32(PciOffset.Bar0, (uint)Bar);
        Configuration.Write16(PciOffset.Command, (ushort)(PciCommand.MemorySpace | PciCommand.BusMaster));
    }

    public BareMetal Machine { get; }

    public PagingDevice Device { get; }

    public IConfigurationAccess Configuration { get; }

    public RemappingDriver Driver { get; private set; } = null!;

    public RemappingDomain Domain { get; private set; } = null!;

    public PciPageRequests Requests => new(Machine.Cpu, Configuration, Device.Source);

    /// <summary>Starts the unit in scalable mode, attaches the device to an empty domain, and lets it translate and ask.</summary>
    public async Task Start(uint pageRequests = 32, int queuePages = 1)
    {
        Driver = await RemappingDriver.Start(Machine.Cpu, new(BareMetal.UnitAddress), Machine.Frames, new(FaultVector)
        {
            Scalable = true,
            PageRequestVector = PageVector,
            PageRequestQueuePages = queuePages,
            HostAddressWidth = Machine.Unit!.Profile.HostAddressWidth,
            WindowLength = (ulong)Machine.Unit.WindowLength,
        });
        Domain = Driver.CreateDomain();
        Requests.EnablePasids();
        await AttachDevice();
        Requests.Enable(pageRequests);
    }

    /// <summary>Attaches the device to its domain, with translation requests served.</summary>
    public async Task AttachDevice() =>
        Assert.Equal(DmaRefusal.None, await Driver.Attach(Device.Source, Domain, DeviceTlbControl.TryFind(Configuration, Device.Source)));

    /// <summary>Runs a command of the device to its end.</summary>
    public async Task<PagingOutcome> Run(uint command, ulong address, uint length, Pasid? pasid)
    {
        Begin(command, address, length, pasid);
        return await End();
    }

    public void Begin(uint command, ulong address, uint length, Pasid? pasid)
    {
        Machine.Bus.Store(new(Bar), 8, address);
        Machine.Bus.Store(new(Bar + 8), 4, length);
        Machine.Bus.Store(new(Bar + 0xC), 4, pasid is { } number ? (1u << 31) | number.Value : 0);
        Machine.Bus.Store(new(Bar + 0x10), 4, command);
    }

    public async Task<PagingOutcome> End()
    {
        while ((PagingOutcome)Machine.Bus.Load(new(Bar + 0x14), 4) == PagingOutcome.Busy)
            await Machine.Cpu.Processor.Delay(1000);
        return (PagingOutcome)Machine.Bus.Load(new(Bar + 0x14), 4);
    }

    public uint PageRequests => (uint)Machine.Bus.Load(new(Bar + 0x18), 4);

    public ulong Sum => Machine.Bus.Load(new(Bar + 0x20), 8);

    public ulong this[int offset]
    {
        get => Machine.Bus.Load(new(Bar + PagingDevice.BufferStart + (ulong)offset), 8);
        set => Machine.Bus.Store(new(Bar + PagingDevice.BufferStart + (ulong)offset), 8, value);
    }

    public void Dispose() => Machine.Dispose();
}
