using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>One set of drivers in four places: what differs is the HAL beneath them, and nothing that they or their disk see.</summary>
public sealed class SameDriversTests
{
    private const ulong MiB = 1 << 20;
    private const int DiskBytes = 300 * 512;
    private static readonly SourceId s_place = new(0, 2, 0);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_same_drivers_move_the_same_bytes_on_bare_metal_and_in_three_kinds_of_VM(bool isXhci)
    {
        Outcome onBareMetal = OnBareMetal(isXhci);
        Outcome cooperative = InMachine(isXhci, async computer => (await computer.Open()).Device);
        Outcome unmodified = InMachine(isXhci, OnStaticMap);
        Outcome ownUnit = InMachine(isXhci, BehindOwnUnit);

        // The HAL is what differs: the first and the third of them know nothing of translation.
        Assert.Equal(
            [typeof(IdentityDmaSpace), typeof(ParavirtualDmaSpace), typeof(IdentityDmaSpace), typeof(RemappedDmaSpace)],
            [onBareMetal.Dma, cooperative.Dma, unmodified.Dma, ownUnit.Dma]);
        Assert.Equal(isXhci ? typeof(XhciDriver) : typeof(EhciDriver), onBareMetal.Driver);
        foreach (Outcome outcome in (Outcome[])[onBareMetal, cooperative, unmodified, ownUnit])
        {
            Assert.Equal(onBareMetal.Driver, outcome.Driver);
            Assert.Equal(Content(seed: 1), outcome.Read);
            Assert.Equal(Content(seed: 2), outcome.Disk);
        }
    }

    private static Outcome OnBareMetal(bool isXhci)
    {
        using UsbComputer computer = isXhci ? new UsbComputer(new XhciOptions()) : new UsbComputer(device: null);
        byte[] disk = Plug(computer.Ports);
        return computer.Loop.Run(() => Use(computer.Device, disk));
    }

    private static Outcome InMachine(bool isXhci, Func<DirectDmaComputer, Task<PciDevice>> open)
    {
        using DirectDmaComputer computer = new("friendly", content: null, isXhci: isXhci);
        byte[] disk = Plug(computer.Ports);
        Outcome outcome = computer.Host.Loop.Run(async () => await Use(await open(computer), disk));
        Assert.Equal(0ul, computer.Host.Faults.Total);
        return outcome;
    }

    // A guest that was never told of a VMM: all of its memory is where it believes it to be, for its device too.
    private static async Task<PciDevice> OnStaticMap(DirectDmaComputer computer)
    {
        computer.Guest.Mapping = new() { Policy = MappingPolicy.Static };
        Assert.Equal(AssignmentResult.Done, await computer.Assignment.Assign(computer.Guest, s_place));
        GuestCpu cpu = computer.Guest.Cpu;
        return PciDevice.Open(cpu, new PciConfigurationPorts(cpu), s_place, new IdentityDmaSpace(cpu, new(new(MiB), 15 * MiB)), vector: 0x40);
    }

    // A guest that programs a remapping unit, as it would on a machine of its own.
    private static async Task<PciDevice> BehindOwnUnit(DirectDmaComputer computer)
    {
        _ = computer.Guest.AddIommu();
        Assert.Equal(AssignmentResult.Done, await computer.Assignment.Assign(computer.Guest, s_place));
        RemappedGuest software = await RemappedGuest.Start(computer.Guest);
        return (await software.Open(s_place)).Device;
    }

    private static byte[] Plug(IReadOnlyList<UsbPort> ports)
    {
        byte[] disk = Content(seed: 1);
        ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(disk, isWritable: true)));
        return disk;
    }

    // Reads the whole disk, and then writes it.
    private static async Task<Outcome> Use(PciDevice device, byte[] disk)
    {
        IUsbHostController controller = await UsbHostControllers.Start(device);
        UsbDeviceHandle usb = await UsbDeviceHandle.Enumerate(controller, port: 1);
        MassStorageDriver storage = await MassStorageDriver.Start(usb);
        byte[] read = await DiskReader.ReadAll(storage, device.Dma);
        MemoryBuffer buffer = device.Dma.Allocate(DiskBytes);
        buffer.Write(0, Content(seed: 2));
        await storage.Write(0, buffer);
        Assert.Equal(DmaRefusal.None, device.Dma.Free(buffer));
        await storage.Stop();
        await usb.Release();
        await controller.Stop();
        Assert.Equal(0, ((DmaSpace)device.Dma).MappingsLive);
        return new(controller.GetType(), device.Dma.GetType(), read, disk);
    }

    private static byte[] Content(int seed)
    {
        byte[] content = new byte[DiskBytes];
        new Random(seed).NextBytes(content);
        return content;
    }

    private sealed record Outcome(Type Driver, Type Dma, byte[] Read, byte[] Disk);
}
