using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Several class drivers on one controller at the same time: everything arrives, and whatever breaks is told and leaves nothing behind.</summary>
public abstract class ManyDevicesTests
{
    // More than any ladder of recovery may take; a driver that is still busy then hangs.
    private const ulong PatienceNs = 600_000_000_000;

    public static TheoryData<string> Profiles => [.. ProfileChoice.Names];

    [Fact]
    public void Four_devices_behind_a_hub_work_at_once()
    {
        using UsbComputer machine = Computer();
        ManyDevices devices = new(machine.Loop);
        devices.Plug(machine.Ports[0]);
        machine.Loop.Run(() => Use(machine, devices), PatienceNs);
        Assert.Equal(ManyDevices.Text, devices.Typed);
        Assert.Equal(0, machine.Dma.MappingsLive);
    }

    [Theory]
    [MemberData(nameof(Profiles))]
    public void They_do_the_same_in_a_guest_on_every_remapping_unit(string profile)
    {
        using DirectDmaComputer computer = new(profile, content: null, isXhci: IsXhci);
        ManyDevices devices = new(computer.Host.Loop);
        devices.Plug(computer.Ports[0]);
        computer.Host.Loop.Run(
            async () =>
            {
                (PciDevice device, ParavirtualDmaSpace dma) = await computer.Open();
                IUsbHostController controller = await UsbHostControllers.Start(device);
                await devices.Use(controller);
                await controller.Stop();
                Assert.Equal(0, dma.MappingsLive);
                Assert.Equal(0, computer.Assignment.Mappings!.Count);
            },
            PatienceNs);
        Assert.Equal(ManyDevices.Text, devices.Typed);
        Assert.Equal(0ul, computer.Host.Faults.Total);
    }

    [Fact]
    public void Memory_that_stops_answering_after_any_access_is_told_of_and_keeps_nothing_mapped() => Property.Check(
        Gen.Choose(0, 60_000),
        accesses =>
        {
            using UsbComputer machine = Computer(inner => new FailingFabric(inner, accesses));
            ManyDevices devices = new(machine.Loop);
            devices.Plug(machine.Ports[0]);
            DriverException? failure = Try(machine, devices);
            if (failure is not null)
                Assert.True(failure.Failure is DriverFailure.HostSystemError or DriverFailure.ControllerTimeout, failure.Message);
            Assert.Equal(0, machine.Dma.MappingsLive);
        },
        count: 20);

    [Fact]
    public void A_hal_that_refuses_mappings_is_told_of_and_keeps_nothing_mapped() => Property.Check(Gen.Choose(0, 80), Refuse, count: 30);

    // Streams whose blocks could not be queued once kept their buffers: 58 mappings are what EHCI has then.
    [Fact]
    public void Streams_whose_blocks_are_refused_give_their_buffers_back() => Refuse(granted: 58);

    [Fact]
    public void Devices_that_misbehave_never_hang_a_driver_and_leave_nothing_mapped() => Property.Check(
        from seed in Gen.Choose(0, int.MaxValue)
        from oneIn in Gen.Elements(5, 20, 100)
        from honest in Gen.Choose(0, 80)
        from culprit in Gen.Choose(1, 4)
        from kinds in Gen.Elements(Enum.GetValues<Mischief>()).NonEmptyListOf()
        select (seed, oneIn, honest, culprit, kinds),
        world =>
        {
            Random random = new(world.seed);
            Mischief[] kinds = [.. world.kinds];
            using UsbComputer machine = Computer();
            ManyDevices devices = new(machine.Loop);
            devices.Plug(machine.Ports[0], (port, device) => port != world.culprit ? device : new MischievousDevice(device, transaction =>
                transaction < world.honest || random.Next(world.oneIn) != 0 ? null : kinds[random.Next(kinds.Length)]));
            try
            {
                DriverException? failure = Try(machine, devices);
                if (failure is not null)
                    Assert.NotEqual(DriverFailure.None, failure.Failure);
            }
            catch (Xunit.Sdk.XunitException)
            {
                // Bytes that a device makes up cannot be told from right ones, and what it keeps to itself is lost.
            }

            Assert.Equal(0, machine.Dma.MappingsLive);
        },
        count: 30);

    [Fact]
    public void A_hub_that_is_pulled_out_takes_its_devices_along_and_every_driver_says_so() => Property.Check(
        Gen.Choose(1, 1500),
        milliseconds =>
        {
            using UsbComputer machine = Computer();
            ManyDevices devices = new(machine.Loop);
            devices.Plug(machine.Ports[0]);
            _ = machine.Loop.Schedule((ulong)milliseconds * 1_000_000, () => machine.Ports[0].Unplug());
            try
            {
                DriverException? failure = Try(machine, devices);
                if (failure is not null)
                    Assert.NotEqual(DriverFailure.None, failure.Failure);
            }
            catch (Xunit.Sdk.XunitException)
            {
                // Sound has no second chance, so a stream that lost packets is not an error of its driver.
            }

            Assert.Equal(0, machine.Dma.MappingsLive);
        },
        count: 20);

    private void Refuse(int granted)
    {
        using UsbComputer machine = Computer();
        ManyDevices devices = new(machine.Loop);
        devices.Plug(machine.Ports[0]);
        TroubledDevice device = new(machine.Device, mappings: granted);
        DriverException? failure = Try(machine, devices, device);
        if (failure is not null)
            Assert.Equal(DriverFailure.DmaRefused, failure.Failure);
        Assert.Equal(0, machine.Dma.MappingsLive);
    }

    private static DriverException? Try(UsbComputer machine, ManyDevices devices, IDevice? device = null)
    {
        try
        {
            machine.Loop.Run(() => Use(machine, devices, device), PatienceNs);
            return null;
        }
        catch (DriverException failure)
        {
            return failure;
        }
    }

    private static async Task Use(UsbComputer machine, ManyDevices devices, IDevice? device = null)
    {
        IUsbHostController controller = await UsbHostControllers.Start(device ?? machine.Device);
        try
        {
            await devices.Use(controller);
        }
        finally
        {
            await controller.Stop();
        }
    }

    private protected abstract bool IsXhci { get; }

    private UsbComputer Computer(Func<IDmaFabric, IDmaFabric>? fabric = null) =>
        IsXhci ? new(new XhciOptions(), fabric) : new(device: null, fabric: fabric);
}

/// <summary>The same on EHCI.</summary>
public sealed class EhciManyDevicesTests : ManyDevicesTests
{
    private protected override bool IsXhci => false;
}

/// <summary>The same on xHCI.</summary>
public sealed class XhciManyDevicesTests : ManyDevicesTests
{
    private protected override bool IsXhci => true;
}
