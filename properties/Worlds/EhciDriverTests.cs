using Dma.Drivers;
using Dma.Iommu;
using Dma.UsbDevice;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class EhciDriverTests
{
    // More than any ladder of recovery may take; a driver that is still busy then hangs.
    private const ulong PatienceNs = 600_000_000_000;

    [Fact]
    public void A_disk_of_any_size_reads_back_byte_for_byte() => Property.Check(
        from sectors in Gen.OneOf(Gen.Choose(1, 8), Gen.Choose(1, 2000))
        from seed in Gen.Choose(0, int.MaxValue)
        from is64Bit in Gen.Elements(true, false)
        select (sectors, seed, is64Bit),
        disk =>
        {
            byte[] content = new byte[disk.sectors * 512];
            new Random(disk.seed).NextBytes(content);
            using UsbComputer machine = new(
                new MassStorageDevice(new MemoryDiskImage(content)), new() { Addresses64Bit = disk.is64Bit });
            Assert.Equal(content, machine.Loop.Run(() => DiskReader.ReadAll(machine.Device)));
            Assert.Equal(0, machine.Dma.MappingsLive);
        },
        count: 20);

    [Fact]
    public void The_same_drivers_give_the_same_bytes_on_bare_metal_and_in_a_guest_where_only_the_hal_differs() => Property.Check(
        from sectors in Gen.Choose(1, 700)
        from profile in Gen.Elements<string>([.. HardwareProfile.Names])
        select (sectors, profile),
        world =>
        {
            byte[] content = Content(world.sectors);
            using UsbComputer direct = new(new MassStorageDevice(new MemoryDiskImage(content)));
            using DirectDmaComputer guest = new(world.profile, content);
            byte[] onBareMetal = direct.Loop.Run(() => DiskReader.ReadAll(direct.Device));
            Assert.Equal(onBareMetal, guest.Host.Loop.Run(guest.ReadDisk));
            Assert.Equal(content, onBareMetal);
        },
        count: 10);

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
        count: 60);

    [Fact]
    public void A_device_that_breaks_for_good_after_any_number_of_packets_never_hangs_the_driver()
    {
        foreach (Mischief kind in Enum.GetValues<Mischief>())
        {
            for (int honest = 0; honest < 120; honest += 19)
                ReadsOrFails(transaction => transaction < honest ? null : kind);
        }
    }

    [Fact]
    public void Memory_that_stops_answering_after_any_access_stops_the_controller_and_the_driver_says_so() => Property.Check(
        Gen.Choose(0, 3000),
        accesses =>
        {
            byte[] content = Content(sectors: 40);
            using UsbComputer machine = new(
                new MassStorageDevice(new MemoryDiskImage(content)), fabric: inner => new FailingFabric(inner, accesses));
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
            using UsbComputer machine = new(new MassStorageDevice(new MemoryDiskImage(Content(sectors: 4))));
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
        using UsbComputer machine = new(new MassStorageDevice(new MemoryDiskImage(content)));
        TroubledDevice device = new(machine.Device, losesInterrupts: true);
        Assert.Equal(content, machine.Loop.Run(() => DiskReader.ReadAll(device), PatienceNs));
    }

    [Fact]
    public void Firmware_that_holds_the_controller_is_asked_for_it_first()
    {
        byte[] content = Content(sectors: 3);
        using UsbComputer machine = new(
            new MassStorageDevice(new MemoryDiskImage(content)), new() { FirmwareOwned = true, PortPowerControl = true });
        Assert.Equal(content, machine.Loop.Run(() => DiskReader.ReadAll(machine.Device)));
    }

    [Fact]
    public void A_disk_with_bad_blocks_fails_with_its_sense_data()
    {
        using UsbComputer machine = new(new MassStorageDevice(new BadDisk(badFrom: 8 * 512)));
        DriverException failure = Assert.Throws<DriverException>(() => machine.Loop.Run(() => DiskReader.ReadAll(machine.Device), PatienceNs));
        Assert.Equal(DriverFailure.CommandFailed, failure.Failure);
        Assert.Contains("MediumError", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_at_the_port_is_told_as_such()
    {
        using UsbComputer machine = new(device: null);
        DriverException failure = Assert.Throws<DriverException>(() => machine.Loop.Run(() => DiskReader.ReadAll(machine.Device)));
        Assert.Equal(DriverFailure.NothingConnected, failure.Failure);
    }

    [Fact]
    public void A_full_speed_device_is_left_to_the_companion_controller()
    {
        using UsbComputer machine = new(
            new MassStorageDevice(new MemoryDiskImage(new byte[512]), speed: UsbSpeed.Full), new() { CompanionCount = 1 });
        DriverException failure = Assert.Throws<DriverException>(() => machine.Loop.Run(() => DiskReader.ReadAll(machine.Device)));
        Assert.Equal(DriverFailure.NotHighSpeed, failure.Failure);
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
        using UsbComputer machine = new(device);
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

    private sealed class BadDisk(ulong badFrom) : IDiskImage
    {
        public ulong Length => 32 * 512;

        public bool IsReadOnly => true;

        public bool TryRead(ulong offset, Span<byte> destination)
        {
            destination.Clear();
            return offset + (ulong)destination.Length <= badFrom;
        }

        public bool TryWrite(ulong offset, ReadOnlySpan<byte> source) => false;

        public bool TryFlush() => true;
    }
}
