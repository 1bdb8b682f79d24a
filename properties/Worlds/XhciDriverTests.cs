using Dma.UsbDevice;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>The xHCI driver on controllers and remapping units of every build; the disk is what it is measured by.</summary>
public sealed class XhciDriverTests
{
    // More than any ladder of recovery may take; a driver that is still busy then hangs.
    private const ulong PatienceNs = 600_000_000_000;

    public static TheoryData<string> Profiles => [.. ProfileChoice.Names];

    [Fact]
    public void A_disk_of_any_size_reads_back_byte_for_byte_on_controllers_of_every_build() => Property.Check(
        from sectors in Gen.OneOf(Gen.Choose(1, 8), Gen.Choose(1, 1200))
        from is64Bit in Gen.Elements(true, false)
        from largeContexts in Gen.Elements(true, false)
        from power in Gen.Elements(true, false)
        from firmware in Gen.Elements(true, false)
        from msix in Gen.Elements(true, false)
        from speed in Gen.Elements(UsbSpeed.Full, UsbSpeed.High, UsbSpeed.Super)
        select (sectors, is64Bit, largeContexts, power, firmware, msix, speed),
        world =>
        {
            byte[] content = DiskReader.Content(world.sectors);
            using UsbComputer machine = new(new XhciOptions
            {
                Addresses64Bit = world.is64Bit,
                Contexts64Byte = world.largeContexts,
                PortPowerControl = world.power,
                FirmwareOwned = world.firmware,
                HasMsix = world.msix,
                Usb2PortCount = world.speed == UsbSpeed.Super ? 0 : 2,
            });
            machine.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(content), speed: world.speed));
            Assert.Equal(content, machine.Loop.Run(() => DiskReader.ReadAll(machine.Device), PatienceNs));
            Assert.Equal(0, machine.Dma.MappingsLive);
        },
        count: 20);

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_guest_reads_its_disk_on_every_remapping_unit(string profile)
    {
        byte[] content = DiskReader.Content(sectors: 300);
        using DirectDmaComputer guest = new(profile, content, isXhci: true);
        Assert.Equal(content, guest.Host.Loop.Run(guest.ReadDisk));
        Assert.Equal(0ul, guest.Host.Faults.Total);
    }
}
