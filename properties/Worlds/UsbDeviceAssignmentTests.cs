using Dma.Drivers;
using Dma.Lab;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>One USB device of a controller goes to a VM by a mediator and comes back, and the others stay with the host.</summary>
public sealed class UsbDeviceAssignmentTests
{
    public static TheoryData<string, string> Ways => new()
    {
        { nameof(IoModel.Split), "ehci" }, { nameof(IoModel.Split), "xhci" }, { nameof(IoModel.Emulated), "ehci" }, { nameof(IoModel.Emulated), "xhci" },
    };

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_VM_reads_one_disk_while_the_host_reads_the_other_and_then_the_host_has_both_again(string model, string controller)
    {
        using SingleDeviceWorld world = new(controller);
        UsbDeviceAssignment assignment = null!;
        world.Host.Loop.Run(async () =>
        {
            await world.Start();
            assignment = world.Assignments[0];
            IUsbMediator mediator = world.CreateMachine(Enum.Parse<IoModel>(model));
            for (int round = 0; round < 2; round++)
            {
                Assert.Equal(world.Contents[0], await world.ReadByHost(0));
                int resets = world.Devices[0].Resets;
                Assert.True(await assignment.Assign(mediator));
                Assert.Equal((UsbDeviceState.Assigned, mediator.Machine, mediator.Name), (assignment.State, assignment.Machine, assignment.Mediator));
                Assert.True(world.Devices[0].Resets > resets);
                Assert.False(world.Drivers[0].IsUp);
                await Assert.ThrowsAsync<DriverException>(() => world.ReadByHost(0));
                Task<byte[]> guest = SingleDeviceWorld.ReadByGuest(mediator);
                Assert.Equal(world.Contents[1], await world.ReadByHost(1));
                Assert.Equal(world.Contents[0], await guest);
                resets = world.Devices[0].Resets;
                Assert.True(await assignment.TakeBack());
                Assert.Equal((UsbDeviceState.Host, null, null), (assignment.State, assignment.Machine, assignment.Mediator));
                Assert.True(world.Devices[0].Resets > resets);
                Assert.Equal((0ul, 0), (world.Host.Frames.Pins, mediator.Machine.Grants.InUse));
            }

            Assert.Equal(world.Contents[0], await world.ReadByHost(0));
        });
        Assert.Equal(0ul, world.Host.Faults.Total);
    }

    [Fact]
    public void The_remapping_unit_sees_one_controller_whoever_has_which_device_behind_it()
    {
        using SingleDeviceWorld world = new("ehci");
        world.Host.Loop.Run(async () =>
        {
            await world.Start();
            IUsbMediator[] mediators = [world.CreateMachine(IoModel.Split, "A"), world.CreateMachine(IoModel.Split, "B")];
            Assert.True(await world.Assignments[0].Assign(mediators[0]));
            Assert.True(await world.Assignments[1].Assign(mediators[1]));
            world.Trace.Clear();
            Task<byte[]> other = SingleDeviceWorld.ReadByGuest(mediators[1]);
            Assert.Equal(world.Contents[0], await SingleDeviceWorld.ReadByGuest(mediators[0]));
            Assert.Equal(world.Contents[1], await other);
        });
        Assert.Equal([world.Source], world.Trace.Events.Where(request => request.Kind is TraceKind.Read or TraceKind.Write).Select(request => request.Source).Distinct());
    }

    [Fact]
    public void While_the_host_reads_a_disk_it_stays_and_afterwards_it_goes()
    {
        using SingleDeviceWorld world = new("ehci");
        world.Host.Loop.Run(async () =>
        {
            await world.Start();
            IUsbMediator mediator = world.CreateMachine(IoModel.Split);
            Task<byte[]> reading = world.ReadByHost(0);
            Assert.False(await world.Assignments[0].Assign(mediator));
            Assert.Equal(UsbDeviceState.Host, world.Assignments[0].State);
            Assert.Equal(world.Contents[0], await reading);
            Assert.True(await world.Assignments[0].Assign(mediator));
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await world.Assignments[0].Assign(mediator));
        });
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_device_that_is_pulled_out_is_missed_by_its_VM_alone(string model, string controller)
    {
        using SingleDeviceWorld world = new(controller, contentBytes: 256 * 1024);
        world.Host.Loop.Run(async () =>
        {
            await world.Start();
            IUsbMediator mediator = world.CreateMachine(Enum.Parse<IoModel>(model));
            Assert.True(await world.Assignments[0].Assign(mediator));
            Task<byte[]> reading = SingleDeviceWorld.ReadByGuest(mediator);
            await world.UntilBusy(0);
            Assert.False(reading.IsCompleted);
            _ = world.Ports[0].Unplug();
            await Assert.ThrowsAsync<DriverException>(() => reading);
            Assert.Equal(world.Contents[1], await world.ReadByHost(1));
            Assert.False(await world.Assignments[0].TakeBack());
            Assert.Equal((UsbDeviceState.Unbound, 0ul), (world.Assignments[0].State, world.Host.Frames.Pins));
            Assert.Equal(world.Contents[1], await world.ReadByHost(1));
        });
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_VM_that_ends_in_the_middle_of_a_read_gives_its_disk_back_and_another_VM_reads_on(string model, string controller)
    {
        using SingleDeviceWorld world = new(controller, contentBytes: 256 * 1024);
        world.Host.Loop.Run(async () =>
        {
            await world.Start();
            IUsbMediator[] mediators = [world.CreateMachine(Enum.Parse<IoModel>(model), "A"), world.CreateMachine(IoModel.Split, "B")];
            for (int index = 0; index < 2; index++)
                Assert.True(await world.Assignments[index].Assign(mediators[index]));
            Task<byte[]> ends = SingleDeviceWorld.ReadByGuest(mediators[0]);
            await world.UntilBusy(0);
            Task<byte[]> goesOn = SingleDeviceWorld.ReadByGuest(mediators[1]);
            await world.UntilBusy(1);
            Assert.False(ends.IsCompleted || goesOn.IsCompleted);
            await world.Host.Destroy(mediators[0].Machine);
            Assert.Equal(UsbDeviceState.Host, world.Assignments[0].State);
            Assert.Equal(world.Contents[1], await goesOn);
            Assert.Equal(world.Contents[0], await world.ReadByHost(0));
            await world.Host.Destroy(mediators[1].Machine);
            Assert.Equal(0ul, world.Host.Frames.Pins);
        });
    }

    [Fact]
    public void What_no_port_takes_stays_with_the_host()
    {
        using SingleDeviceWorld world = new("ehci");
        world.Host.Loop.Run(async () =>
        {
            await world.Start();
            IUsbMediator mediator = world.CreateMachine(IoModel.Split);
            HostUsbStack other = new(world.Host, world.Source);

            // Another stack's device: whoever mediates here cannot reach it.
            Assert.False(await mediator.Attach(new HostUsbDevice(other, 1)));
            for (int port = 0; port < UsbBackEnd.PortCount; port++)
                Assert.True(await mediator.Attach(new HostUsbDevice(world.Stack, 1)));
            Assert.False(await world.Assignments[0].Assign(mediator));
            Assert.Equal(UsbDeviceState.Host, world.Assignments[0].State);
            Assert.Equal(world.Contents[0], await world.ReadByHost(0));
        });
    }
}
