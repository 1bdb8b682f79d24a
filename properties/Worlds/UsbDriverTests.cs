using Dma.Drivers;
using Dma.Hal;
using Dma.UsbDevice;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>The driver of either kind of controller in bad worlds; the disk is what it is measured by.</summary>
public sealed class UsbDriverTests
{
    // More than any ladder of recovery may take; a driver that is still busy then hangs.
    private const ulong PatienceNs = 600_000_000_000;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_device_that_misbehaves_now_and_then_gives_the_right_bytes_or_a_clean_failure(bool isXhci) => Property.Check(
        from seed in Gen.Choose(0, int.MaxValue)
        from oneIn in Gen.Elements(3, 10, 50, 200)
        from honest in Gen.Choose(0, 60)
        from kinds in Gen.Elements(Enum.GetValues<Mischief>()).NonEmptyListOf()
        select (seed, oneIn, honest, kinds),
        world =>
        {
            Random random = new(world.seed);
            Mischief[] kinds = [.. world.kinds];
            ReadsOrFails(isXhci, transaction =>
                transaction < world.honest || random.Next(world.oneIn) != 0 ? null : kinds[random.Next(kinds.Length)]);
        },
        count: 50);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_device_that_breaks_for_good_after_any_number_of_packets_never_hangs_the_driver(bool isXhci)
    {
        foreach (Mischief kind in Enum.GetValues<Mischief>())
        {
            for (int honest = 0; honest < 120; honest += 29)
                ReadsOrFails(isXhci, transaction => transaction < honest ? null : kind);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Memory_that_stops_answering_after_any_access_stops_the_controller_and_the_driver_says_so(bool isXhci) => Property.Check(
        Gen.Choose(0, isXhci ? 1500 : 3000),
        accesses =>
        {
            byte[] content = DiskReader.Content(sectors: 40);
            using UsbComputer machine = UsbComputer.With(isXhci, new MassStorageDevice(new MemoryDiskImage(content)), inner => new FailingFabric(inner, accesses));
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

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_disk_that_was_let_go_of_can_be_taken_again_however_many_packets_it_had(bool isXhci)
    {
        byte[] content = DiskReader.Content(sectors: 7);
        using UsbComputer machine = UsbComputer.With(isXhci, new MassStorageDevice(new MemoryDiskImage(content)));
        ulong startNs = machine.Loop.NowNs;
        machine.Loop.Run(
            async () =>
            {
                IUsbHostController controller = await UsbHostControllers.Start(machine.Device);
                UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(controller, 1);
                for (int time = 0; time < 4; time++)
                {
                    MassStorageDriver disk = await MassStorageDriver.Start(device);
                    Assert.Equal(content, await DiskReader.ReadAll(disk, controller.Memory));

                    // One packet more, so that toggles stand elsewhere each time.
                    MemoryBuffer buffer = controller.Memory.Allocate(512);
                    for (int more = 0; more < time; more++)
                        await disk.Read(0, buffer);
                    _ = controller.Memory.Free(buffer);
                    await disk.Stop();
                }

                await device.Release();
                await controller.Stop();
            },
            PatienceNs);

        // Nobody waited for a packet that was taken for one that came before.
        Assert.InRange(machine.Loop.NowNs - startNs, 0ul, 1_000_000_000ul);
        Assert.Equal(0, machine.Dma.MappingsLive);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_hal_that_refuses_any_one_mapping_is_told_of_and_keeps_nothing_mapped(bool isXhci)
    {
        byte[] content = DiskReader.Content(sectors: 4);
        for (int granted = 0; ; granted++)
        {
            using UsbComputer machine = UsbComputer.With(isXhci, new MassStorageDevice(new MemoryDiskImage(content)));
            TroubledDevice device = new(machine.Device, mappings: granted);
            try
            {
                Assert.Equal(content, machine.Loop.Run(() => DiskReader.ReadAll(device), PatienceNs));
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

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_disk_is_read_even_where_every_interrupt_is_lost(bool isXhci)
    {
        byte[] content = DiskReader.Content(sectors: 300);
        using UsbComputer machine = UsbComputer.With(isXhci, new MassStorageDevice(new MemoryDiskImage(content)));
        TroubledDevice device = new(machine.Device, losesInterrupts: true);
        Assert.Equal(content, machine.Loop.Run(() => DiskReader.ReadAll(device), PatienceNs));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Nothing_at_the_port_is_told_as_such(bool isXhci)
    {
        using UsbComputer machine = UsbComputer.With(isXhci, device: null);
        DriverException failure = Assert.Throws<DriverException>(() => machine.Loop.Run(() => DiskReader.ReadAll(machine.Device)));
        Assert.Equal(DriverFailure.NothingConnected, failure.Failure);
    }

    // Bytes that the device makes up cannot be told from right ones; all else must be right, or a failure of the driver.
    private static void ReadsOrFails(bool isXhci, Func<int, Mischief?> choose)
    {
        byte[] content = DiskReader.Content(sectors: 40);
        bool liesAboutBytes = false;
        MischievousDevice device = new(new MassStorageDevice(new MemoryDiskImage(content)), transaction =>
        {
            Mischief? mischief = choose(transaction);
            liesAboutBytes |= mischief is Mischief.OtherBytes or Mischief.WrongToggle or Mischief.Short;
            return mischief;
        });
        using UsbComputer machine = UsbComputer.With(isXhci, device);
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
}
