using Dma.Drivers;
using Dma.UsbDevice;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>The xHCI driver on controllers of every build, in good and bad worlds; the disk is what it is measured by.</summary>
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
            byte[] content = Content(world.sectors);
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
        byte[] content = Content(sectors: 300);
        using DirectDmaComputer guest = new(profile, content, isXhci: true);
        Assert.Equal(content, guest.Host.Loop.Run(guest.ReadDisk));
        Assert.Equal(0ul, guest.Host.Faults.Total);
    }

    [Fact]
    public void A_device_that_misbehaves_now_and_then_gives_the_right_bytes_or_a_clean_failure() => Property.Check(
        from seed in Gen.Choose(0, int.MaxValue)
        from oneIn in Gen.Elements(3, 10, 50, 200)
        from honest in Gen.Choose(0, 60)
        from kinds in Gen.Elements(Enum.GetValues<Mischief>()).NonEmptyListOf()
        select (seed, oneIn, honest, kinds),
        world =>
        {
            Random random = new(world.seed);
            Mischief[] kinds = [.. world.kinds];
            ReadsOrFails(transaction =>
                transaction < world.honest || random.Next(world.oneIn) != 0 ? null : kinds[random.Next(kinds.Length)]);
        },
        count: 40);

    [Fact]
    public void A_device_that_breaks_for_good_after_any_number_of_packets_never_hangs_the_driver()
    {
        foreach (Mischief kind in Enum.GetValues<Mischief>())
        {
            for (int honest = 0; honest < 120; honest += 39)
                ReadsOrFails(transaction => transaction < honest ? null : kind);
        }
    }

    [Fact]
    public void Memory_that_stops_answering_after_any_access_stops_the_controller_and_the_driver_says_so() => Property.Check(
        Gen.Choose(0, 1500),
        accesses =>
        {
            byte[] content = Content(sectors: 40);
            using UsbComputer machine = new(new XhciOptions(), inner => new FailingFabric(inner, accesses));
            machine.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(content)));
            try
            {
                Assert.Equal(content, machine.Loop.Run(() => DiskReader.ReadAll(machine.Device), PatienceNs));
            }
            catch (DriverException failure)
            {
                Assert.True(failure.Failure is DriverFailure.HostSystemError or DriverFailure.ControllerTimeout, failure.Message);
            }

            Assert.Equal(0, machine.Dma.MappingsLive);
        },
        count: 40);

    [Fact]
    public void A_hal_that_refuses_any_one_mapping_is_told_of_and_keeps_nothing_mapped()
    {
        for (int granted = 0; ; granted++)
        {
            using UsbComputer machine = new(new XhciOptions());
            machine.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(Content(sectors: 4))));
            TroubledDevice device = new(machine.Device, mappings: granted);
            try
            {
                Assert.Equal(Content(sectors: 4), machine.Loop.Run(() => DiskReader.ReadAll(device), PatienceNs));
                Assert.True(granted > 5, "Reading a disk takes more mappings than that.");
                return;
            }
            catch (DriverException failure)
            {
                Assert.Equal(DriverFailure.DmaRefused, failure.Failure);
            }

            Assert.Equal(0, machine.Dma.MappingsLive);
        }
    }

    [Fact]
    public void A_disk_is_read_even_where_every_interrupt_is_lost()
    {
        byte[] content = Content(sectors: 300);
        using UsbComputer machine = new(new XhciOptions());
        machine.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(content)));
        TroubledDevice device = new(machine.Device, losesInterrupts: true);
        Assert.Equal(content, machine.Loop.Run(() => DiskReader.ReadAll(device), PatienceNs));
    }

    [Fact]
    public void Nothing_at_the_port_is_told_as_such()
    {
        using UsbComputer machine = new(new XhciOptions());
        DriverException failure = Assert.Throws<DriverException>(() => machine.Loop.Run(() => DiskReader.ReadAll(machine.Device)));
        Assert.Equal(DriverFailure.NothingConnected, failure.Failure);
    }

    // Bytes that the device makes up cannot be told from right ones; all else must be right, or a failure of the driver.
    private static void ReadsOrFails(Func<int, Mischief?> choose)
    {
        byte[] content = Content(sectors: 40);
        bool liesAboutBytes = false;
        MischievousDevice device = new(new MassStorageDevice(new MemoryDiskImage(content)), transaction =>
        {
            Mischief? mischief = choose(transaction);
            liesAboutBytes |= mischief is Mischief.OtherBytes or Mischief.WrongToggle or Mischief.Short;
            return mischief;
        });
        using UsbComputer machine = new(new XhciOptions());
        machine.Ports[0].Plug(device);
        try
        {
            byte[] read = machine.Loop.Run(() => DiskReader.ReadAll(machine.Device), PatienceNs);
            if (!liesAboutBytes)
                Assert.Equal(content, read);
        }
        catch (DriverException failure)
        {
            Assert.NotEqual(DriverFailure.None, failure.Failure);
        }

        Assert.Equal(0, machine.Dma.MappingsLive);
    }

    private static byte[] Content(int sectors)
    {
        byte[] content = new byte[sectors * 512];
        new Random(sectors).NextBytes(content);
        return content;
    }
}
