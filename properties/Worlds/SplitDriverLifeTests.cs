using Dma.Drivers;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Iommu;
using Dma.Lab;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Requests are called off, and either end of a split driver goes away and comes back.</summary>
public sealed class SplitDriverLifeTests
{
    private const ulong SecondNs = 1_000_000_000;
    private const ulong MiB = 1 << 20;

    public static TheoryData<string, string> Ways
    {
        get
        {
            TheoryData<string, string> ways = [];
            foreach (string controller in UsbControllers.Names)
            {
                foreach (IoModel model in Enum.GetValues<IoModel>())
                    ways.Add(model.ToString(), controller);
            }

            return ways;
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_transfer_that_waits_is_called_off_and_the_next_one_gets_what_comes_then(string model, string controller)
    {
        using ModelWorld world = new(Enum.Parse<IoModel>(model), controller, HardwareProfile.Named("friendly"), seed: 1);
        KeyboardDevice keyboard = world.Plug(new KeyboardDevice(world.Host.Loop));
        world.Host.Loop.Run(async () =>
        {
            IUsbHostController usb = await world.Start();
            UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(usb, port: 1);
            UsbEndpoint endpoint = device.Configuration.Interfaces[0].Endpoints[0];
            IUsbPipe pipe = await device.Open(endpoint);
            CoherentBuffer buffer = await usb.Memory.AllocateCoherent(KeyboardReport.Size);
            byte[] report = new byte[KeyboardReport.Size];
            pipe.Cancel();
            for (int round = 0; round < 3; round++)
            {
                Task<TransferResult> waits = pipe.Transfer(buffer.Mapping, ulong.MaxValue).AsTask();
                await world.Host.Loop.Delay(20_000_000);
                Assert.False(waits.IsCompleted);
                pipe.Cancel();
                Assert.Equal(new TransferResult(TransferStatus.Canceled, 0), await waits);

                // A time-out calls it off as well.
                Assert.Equal(TransferStatus.TimedOut, (await pipe.Transfer(buffer.Mapping, 20_000_000)).Status);
                Task<TransferResult> comes = pipe.Transfer(buffer.Mapping, SecondNs).AsTask();
                await world.Host.Loop.Delay(20_000_000);
                KeyUsage key = (KeyUsage)((int)KeyUsage.A + round);
                Assert.True(keyboard.Press(key));
                Assert.Equal(new TransferResult(TransferStatus.Completed, KeyboardReport.Size), await comes);
                buffer.Memory.Read(0, report);
                Assert.Equal((byte)key, report[2 + round]);
            }
        });
    }

    [Fact]
    public void A_front_end_that_stops_in_the_middle_of_a_read_has_its_memory_back_and_a_new_one_reads_all()
    {
        using SingleDeviceWorld world = new("ehci", contentBytes: 256 * 1024);
        world.Host.Loop.Run(async () =>
        {
            await world.Start();
            IUsbMediator mediator = world.CreateMachine(IoModel.Split);
            Assert.True(await world.Assignments[0].Assign(mediator));
            IUsbHostController front = await SingleDeviceWorld.StartGuest(mediator);
            MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(front, port: 1));
            Task reading = disk.Read(0, front.Memory.Allocate(128 * 1024)).AsTask();
            await world.UntilBusy(0);
            await front.Stop();
            await Assert.ThrowsAsync<DriverException>(() => reading);
            Assert.Equal((0, 0ul), (mediator.Machine.Grants.InUse, world.Host.Frames.Pins));
            Assert.Equal(world.Contents[0], await SingleDeviceWorld.ReadByGuest(mediator));
        });
    }

    [Theory]
    [InlineData("ehci")]
    [InlineData("xhci")]
    public void A_back_end_that_stops_answers_all_that_waits_and_the_guest_connects_to_the_next_one(string controller)
    {
        using SingleDeviceWorld world = new(controller, contentBytes: 256 * 1024);
        world.Host.Loop.Run(async () =>
        {
            await world.Start();
            UsbBackEnd backEnd = (UsbBackEnd)world.CreateMachine(IoModel.Split);
            Assert.True(await world.Assignments[0].Assign(backEnd));
            Assert.Throws<InvalidOperationException>(() => new UsbBackEnd(backEnd.Machine, world.Stack));
            IUsbHostController front = await SingleDeviceWorld.StartGuest(backEnd);
            MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(front, port: 1));
            Task reading = disk.Read(0, front.Memory.Allocate(128 * 1024)).AsTask();
            await world.UntilBusy(0);
            Assert.True(backEnd.Outstanding > 0);
            await backEnd.Stop();
            await Assert.ThrowsAsync<DriverException>(() => reading);
            Assert.True(front.HasStopped);
            Assert.Equal((0, 0ul), (backEnd.Machine.Grants.InUse, world.Host.Frames.Pins));
            Assert.False(await backEnd.Attach(world.Assignments[1].Device));
            Assert.True(await world.Assignments[0].TakeBack());
            await front.Stop();
            UsbBackEnd next = new(backEnd.Machine, world.Stack);
            Assert.True(await world.Assignments[0].Assign(next));
            Assert.Equal(world.Contents[0], await SingleDeviceWorld.ReadByGuest(next));
        });
    }

    [Fact]
    public void A_front_end_with_nothing_under_way_hears_that_its_back_end_is_gone_when_it_next_asks()
    {
        using SingleDeviceWorld world = new("ehci");
        world.Host.Loop.Run(async () =>
        {
            await world.Start();
            UsbBackEnd backEnd = (UsbBackEnd)world.CreateMachine(IoModel.Split);
            Assert.True(await world.Assignments[0].Assign(backEnd));
            IUsbHostController front = await SingleDeviceWorld.StartGuest(backEnd);
            UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(front, port: 1);
            await backEnd.Stop();
            Assert.False(front.HasStopped);
            TransferResult result = await device.Request(RequestType.Standard, RequestRecipient.Device, (byte)StandardRequest.SetConfiguration, 1, 0);
            Assert.Equal((TransferStatus.ControllerStopped, true), (result.Status, front.HasStopped));
        });
    }

    [Fact]
    public void A_device_is_reached_by_the_address_that_its_guest_gave_it_and_by_no_other()
    {
        using SingleDeviceWorld world = new("ehci");
        world.Host.Loop.Run(async () =>
        {
            await world.Start();
            IUsbMediator mediator = world.CreateMachine(IoModel.Split);
            Assert.True(await world.Assignments[0].Assign(mediator));
            IUsbHostController front = await SingleDeviceWorld.StartGuest(mediator);
            UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(front, port: 1);
            Task<TransferResult> Ask(byte request, ushort value) =>
                device.Request(RequestType.Standard, RequestRecipient.Device, request, value, 0).AsTask();
            Assert.Equal(TransferStatus.Completed, (await Ask((byte)StandardRequest.SetConfiguration, 1)).Status);

            // Behind the back of the driver, which goes on with the old address.
            Assert.Equal(TransferStatus.Completed, (await Ask((byte)StandardRequest.SetAddress, 9)).Status);
            Assert.Equal(TransferStatus.NoAnswer, (await Ask((byte)StandardRequest.SetConfiguration, 1)).Status);
            Assert.Equal(world.Contents[1], await world.ReadByHost(1));
        });
    }

    [Fact]
    public void A_VM_with_a_back_end_stays_where_it_is_and_one_that_moves_gets_no_connection()
    {
        using MigrationWorld world = new();
        world.Run(async () =>
        {
            UsbBackEnd backEnd = new(world.Machine, new FakeHostUsb(world.Machine.Host));
            world.AssertStayed(await world.Migrate(), MigrationRefusal.VirtualDevice);
            DirtyLog log = await DirtyLog.Start(world.Machine);
            HypercallResult result = await world.Machine.Cpu.Call(Hypercall.ConnectUsb, 1, 2, 0x40);
            Assert.Equal(DmaRefusal.Denied, result.Refusal);
            await log.Stop();
            await backEnd.Stop();
            result = await world.Machine.Cpu.Call(Hypercall.ConnectUsb, 1, 2, 0x40);
            Assert.Equal(DmaRefusal.NotAssigned, result.Refusal);
        });
    }

    [Fact]
    public void Calls_that_make_no_sense_change_nothing()
    {
        using Host host = AssignmentWorld.Small();
        host.Boot();
        VirtualMachine guest = host.CreateMachine("guest", 4 * MiB);
        DmaRefusal Call(Hypercall number, params ulong[] arguments) => AssignmentWorld.Call(host, guest, number, arguments).Refusal;
        Assert.Equal(DmaRefusal.NotAssigned, Call(Hypercall.ConnectUsb, 1, 2, 0x40));
        Assert.Equal(DmaRefusal.NotAssigned, Call(Hypercall.NotifyUsb));
        Assert.Equal(DmaRefusal.NotAssigned, Call(Hypercall.DisconnectUsb));
        UsbBackEnd backEnd = new(guest, new FakeHostUsb(host));
        Assert.Equal(DmaRefusal.BadRange, Call(Hypercall.ShareGrants, 0x1001, 1));
        Assert.Equal(DmaRefusal.BadRange, Call(Hypercall.ShareGrants, 4 * MiB, 1));
        Assert.Equal(DmaRefusal.BadRange, Call(Hypercall.ShareGrants, 0x1000, GuestGrants.PagesMax + 1));
        Assert.Equal(DmaRefusal.BadRange, Call(Hypercall.ShareGrants, 0, ulong.MaxValue));
        Assert.Equal(DmaRefusal.BadRange, Call(Hypercall.ShareGrants, 0x1000, 0));
        Assert.Equal(DmaRefusal.NotMapped, Call(Hypercall.ConnectUsb, 1, 2, 0x40));
        Assert.Equal(DmaRefusal.None, Call(Hypercall.ShareGrants, 0x1000, 1));
        GrantEntry[] table = new GrantEntry[512];
        table[1] = new() { Type = GrantType.PermitAccess, Frame = 2 };
        table[2] = new() { Type = GrantType.PermitAccess, Frame = 3, IsReadOnly = true };
        table[3] = new() { Type = GrantType.PermitAccess, Frame = 4, Domain = 7 };
        table[4] = new() { Type = GrantType.PermitAccess, Frame = 5 };
        Assert.True(guest.Cpu.TryWrite(new(0x1000), System.Runtime.InteropServices.MemoryMarshal.AsBytes(table.AsSpan())));
        foreach (ulong bad in new ulong[] { 0, 2, 3, 512, uint.MaxValue, 1ul << 32 | 1 })
        {
            Assert.Equal(DmaRefusal.NotMapped, Call(Hypercall.ConnectUsb, 1, bad, 0x40));
            Assert.Equal(DmaRefusal.NotMapped, Call(Hypercall.ConnectUsb, bad, 1, 0x40));
        }

        Assert.Equal(DmaRefusal.BadRange, Call(Hypercall.ConnectUsb, 1, 4, 31));
        Assert.Equal(DmaRefusal.BadRange, Call(Hypercall.ConnectUsb, 1, 4, 256));
        Assert.Equal((0, false), (guest.Grants.InUse, backEnd.IsConnected));
        Assert.Equal(DmaRefusal.None, Call(Hypercall.ConnectUsb, 1, 4, 0x40));
        Assert.Equal(DmaRefusal.StillMapped, Call(Hypercall.ConnectUsb, 1, 4, 0x40));
        Assert.Equal(DmaRefusal.StillMapped, Call(Hypercall.ShareGrants, 0x1000, 1));
        Assert.Equal((2, true), (guest.Grants.InUse, backEnd.IsConnected));
        Assert.Equal(DmaRefusal.None, Call(Hypercall.DisconnectUsb));
        Assert.Equal((0, 0ul), (guest.Grants.InUse, guest.PinnedPages));
        Assert.Equal(DmaRefusal.None, Call(Hypercall.ShareGrants, 0, 0));
    }
}
