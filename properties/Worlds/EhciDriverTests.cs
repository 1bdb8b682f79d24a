using Dma.Drivers;
using Dma.Iommu;
using Dma.UsbDevice;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>The EHCI driver, and what only it has to cope with; the disk is what it is measured by.</summary>
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
            byte[] content = DiskReader.Content(world.sectors);
            using UsbComputer direct = new(new MassStorageDevice(new MemoryDiskImage(content)));
            using DirectDmaComputer guest = new(world.profile, content);
            byte[] onBareMetal = direct.Loop.Run(() => DiskReader.ReadAll(direct.Device));
            Assert.Equal(onBareMetal, guest.Host.Loop.Run(guest.ReadDisk));
            Assert.Equal(content, onBareMetal);
        },
        count: 10);

    [Fact]
    public void Firmware_that_holds_the_controller_is_asked_for_it_first()
    {
        byte[] content = DiskReader.Content(sectors: 3);
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
    public void A_full_speed_device_is_left_to_the_companion_controller()
    {
        using UsbComputer machine = new(
            new MassStorageDevice(new MemoryDiskImage(new byte[512]), speed: UsbSpeed.Full), new() { CompanionCount = 1 });
        DriverException failure = Assert.Throws<DriverException>(() => machine.Loop.Run(() => DiskReader.ReadAll(machine.Device)));
        Assert.Equal(DriverFailure.NotHighSpeed, failure.Failure);
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
