using Dma.Drivers;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Dummy devices mirror what others reserve; and what happens where a part of that is missing.</summary>
public sealed class DummyDeviceTests
{
    private const ulong PatienceNs = 600_000_000_000;

    // 30, 40 and 60 of the 100 microseconds, and 40 to the device.
    private const byte Third = 4;
    private const byte Much = 5;
    private const byte Most = 7;
    private const byte Sends = 9;

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void A_reservation_is_known_to_every_other_guest_before_it_is_granted(int guests) => Run(guests, async world =>
    {
        await world.BootAll();
        Assert.Equal(guests * (guests - 1), world.Reservations.Dummies.Count);
        world.Looked = world.CheckViews;
        world.Events.Clear();
        Assert.True(await world[0].Choose(Third));
        await world.Quiet();

        // So many notices as there are other guests, each answered, and then the request goes out.
        int[] others = [.. Enumerable.Range(1, guests - 1)];
        ReservationEvent[] first = [.. world.Events.Take((2 * others.Length) + 3)];
        Assert.Equal(
            [ReservationEventKind.Asked, .. others.Select(_ => ReservationEventKind.Notified), .. others.Select(_ => ReservationEventKind.Mirrored), ReservationEventKind.Granted, ReservationEventKind.Done],
            first.Select(step => step.Kind));
        Assert.Equal((ulong)others.Length, world.Reservations.Counts.Notices);
        Assert.Equal(1ul, world.Reservations.Counts.Granted);
        Assert.InRange(world.Reservations.Counts.SetupNsMax, 1ul, 5 * DummyWorld.MillisecondNs);
        Assert.All(others, number => Assert.InRange(world[number].Watch!.ReservedNs, world.LoadOf(0), world.LoadOf(0) + DummyLadder.StepNs));

        // Less goes out at once, and the others follow.
        Assert.True(await world[0].Choose(0));
        await world.Quiet();
        Assert.All(others, number => Assert.Equal(0u, world[number].Watch!.ReservedNs));
        Assert.Equal(2ul * (ulong)others.Length, world.Reservations.Counts.Notices);
    });

    [Fact]
    public void A_refused_request_never_reaches_the_device_and_all_views_are_as_before() => Run(3, async world =>
    {
        await world.BootAll();
        Assert.True(await world[0].Choose(Third));
        Assert.True(await world[1].Choose(Third));
        await world.Quiet();
        uint[][] before = [.. Enumerable.Range(0, 3).Select(number => world[number].Controller.ReservedNs.ToArray())];

        // A driver that asks before it looks into its own books.
        DriverException refusal = await Assert.ThrowsAsync<DriverException>(async () => await world[2].Device.SetInterface(0, Most));
        Assert.Equal(DriverFailure.RequestRefused, refusal.Failure);
        Assert.Equal(0, world.Devices[2].Setting);
        await world.Quiet();
        Assert.Equal(before, Enumerable.Range(0, 3).Select(number => world[number].Controller.ReservedNs.ToArray()));
        Assert.Equal(1ul, world.Reservations.Counts.Refused);

        // Its next request finds the device as it was.
        await world[2].Device.SetInterface(0, 1);
        Assert.Equal(1, world.Devices[2].Setting);
    });

    [Fact]
    public void Without_dummies_the_bus_is_promised_twice_and_slots_are_missed() => Run(
        3,
        async world =>
        {
            await Task.WhenAll(world.Boot(0), world.Boot(1), world.Boot(2));
            for (int number = 0; number < 3; number++)
                Assert.True(await world[number].Choose(Most));
            await world.Host.Loop.Delay(50 * DummyWorld.MillisecondNs);
            Assert.True(world.Reservations.LoadNs > SharedUsbController.PeriodicNsMax);
            Assert.True(world.PeriodicNsMax > SharedUsbController.PeriodicNsMax);
            Assert.NotEqual(0ul, world.Slots().Missed);
            Assert.Empty(world.Reservations.Dummies);
        },
        ReservationSteps.Dummies);

    [Theory]
    [InlineData(ReservationSteps.None)]
    [InlineData(ReservationSteps.Policing)]
    public void A_guest_that_lies_harms_others_where_nobody_polices(ReservationSteps without) => Run(
        3,
        async world =>
        {
            // The first guest has no driver for dummies, and sends what it never asked for.
            await Task.WhenAll(world.Boot(0, hasDummyDriver: false), world.Boot(1), world.Boot(2));
            await world.Quiet();
            Assert.True(await world[1].Choose(Much));
            Assert.True(await world[2].Choose(Much));
            await world[0].Lie(Sends, pipes: 2);
            await world.Host.Loop.Delay(60 * DummyWorld.MillisecondNs);
            (ulong due, ulong missed) = world.Slots();
            Assert.True(due > 500);
            Assert.Equal(without == ReservationSteps.None, missed == 0);
            Assert.Equal(without == ReservationSteps.None, world.PeriodicNsMax <= SharedUsbController.PeriodicNsMax);
        },
        without);

    [Fact]
    public void A_notice_that_is_lost_ends_in_a_refusal_and_is_not_waited_for_for_ever() => Run(3, async world =>
    {
        await Task.WhenAll(world.Boot(0), world.Boot(1), world.Boot(2, hasDummyDriver: false));
        await world.Quiet();

        // The third guest has a driver for the dummy of the first, but it never hears a notice.
        UsbDeviceHandle deaf = await UsbDeviceHandle.Enumerate(world[2].Controller, DummyOf(world, port: 1, set: 2).GuestPort);
        await deaf.SetInterface(DummyInterface.Reservation, 0);
        for (int attempt = 0; attempt < world.Options.LapsesMax; attempt++)
        {
            ulong startNs = world.Host.Loop.NowNs;
            Assert.False(await world[0].Choose(Third));
            Assert.InRange(world.Host.Loop.NowNs - startNs, world.Options.AnswerNsMax, 3 * world.Options.AnswerNsMax);
            Assert.Equal((0, 0u), (world.Devices[0].Setting, world.Reservations.LoadNs));
            Assert.Equal(0u, world[1].Watch!.ReservedNs);
        }

        Assert.True(await world[0].Choose(Third));
        Assert.Equal((Third, 0ul), (world.Devices[0].Setting, world.Slots().Missed));
    });

    [Theory]
    [InlineData(ReservationSteps.None)]
    [InlineData(ReservationSteps.Serialisation)]
    public void Two_requests_at_once_are_both_granted_where_they_are_not_taken_one_by_one(ReservationSteps without) => Run(
        2,
        async world =>
        {
            await world.BootAll();

            // Both drivers ask first, and look into their own books later.
            bool[] granted = await Task.WhenAll(Ask(world[0], Most), Ask(world[1], Most));
            Assert.Equal(without == ReservationSteps.None, world.Reservations.LoadNs <= SharedUsbController.PeriodicNsMax);
            Assert.Equal(without == ReservationSteps.None ? 1 : 2, granted.Count(isGranted => isGranted));
        },
        without);

    [Fact]
    public void A_guest_that_comes_later_learns_what_is_reserved_and_one_that_crashes_takes_nothing_with_it() => Run(3, async world =>
    {
        await Task.WhenAll(world.Boot(0), world.Boot(1));
        await world.Quiet();
        Assert.Equal(2, world.Reservations.Dummies.Count);
        Assert.True(await world[0].Choose(Third));
        await world.Boot(2);
        await world.Quiet();
        Assert.Equal(6, world.Reservations.Dummies.Count);
        world.CheckViews();
        Assert.True(await world[2].Choose(Third));
        await world.Quiet();
        uint before = world[1].Watch!.ReservedNs;
        uint[] registers = [.. Enumerable.Range(0, 16).Select(index => (uint)world.Controller.Interfaces[1].ReadBar(0, (ulong)(0x60 + (4 * index)), 4))];
        await world.Crash(2);
        Assert.Equal(2, world.Reservations.Dummies.Count);
        Assert.Equal(before / 2, world[1].Watch!.ReservedNs);
        Assert.Equal(registers[..3], Enumerable.Range(0, 3).Select(index => (uint)world.Controller.Interfaces[1].ReadBar(0, (ulong)(0x60 + (4 * index)), 4)));
        Assert.Equal((Third, 0ul), (world.Devices[0].Setting, world[0].Stream.Missed));
        await world.Boot(2);
        await world.Quiet();
        Assert.Equal(6, world.Reservations.Dummies.Count);
        world.CheckViews();
        Assert.True(await world[2].Choose(Third));
    });

    [Theory]
    [InlineData(ReservationSteps.None)]
    [InlineData(ReservationSteps.Latecomers)]
    public void A_guest_that_comes_later_without_the_dummies_that_are_there_believes_in_time_that_others_have(ReservationSteps without) => Run(
        3,
        async world =>
        {
            await Task.WhenAll(world.Boot(0), world.Boot(1));
            await world.Quiet();
            Assert.True(await world[0].Choose(Most));
            await world.Boot(2);
            await world.Quiet();
            bool knows = world[2].Watch!.ReservedNs >= world.LoadOf(0);
            Assert.Equal(without == ReservationSteps.None, knows);
            DriverException refusal = await Assert.ThrowsAsync<DriverException>(async () => await world[2].Stream.Choose(Most));
            Assert.Equal(knows ? DriverFailure.NoBandwidth : DriverFailure.RequestRefused, refusal.Failure);
        },
        without);

    [Fact]
    public void A_device_that_never_said_what_it_is_is_granted_nothing() => Run(2, async world =>
    {
        await Task.WhenAll(world.Boot(0), world.Boot(1));
        EhciDriver controller = world[0].Controller;
        await world[0].Device.Release();
        UsbLocation location = await controller.ResetPort(1);
        IUsbConnection connection = await controller.Connect(location);
        await connection.SetControlPacketSize(64);
        await connection.GiveAddress();
        TransferResult result = await connection.Control.Request(
            new() { Request = (byte)StandardRequest.SetConfiguration, Value = 1 }, default, DummyWorld.MillisecondNs * 1000);
        Assert.Equal((TransferStatus.Stalled, 0), (result.Status, world.Devices[0].Configuration));
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_stream_behind_a_hub_is_mirrored_too(bool isDeaf) => Run(2, async world =>
    {
        UsbHub hub = new(world.Host.Loop);
        AudioSourceDevice microphone = new(world.Host.Loop, new SineWave(), speed: UsbSpeed.Full);
        hub.Downstream[0].Plug(microphone);
        _ = world.Controller.Usb.Ports[0].Unplug();
        world.Controller.Usb.Ports[0].Plug(hub);
        await Task.WhenAll(world.Boot(0), world.Boot(1, hasDummyDriver: !isDeaf));
        if (isDeaf)
        {
            UsbDeviceHandle deaf = await UsbDeviceHandle.Enumerate(world[1].Controller, DummyOf(world, port: 1, set: 1).GuestPort);
            await deaf.SetInterface(DummyInterface.Reservation, 0);
        }

        await world.Quiet();
        HubDriver driver = await HubDriver.Start(world[0].Device);
        AudioDriver audio = AudioDriver.Find(await UsbDeviceHandle.Enumerate(driver, 1));
        if (isDeaf)
        {
            Assert.Equal(DriverFailure.RequestRefused, (await Assert.ThrowsAsync<DriverException>(async () => await audio.Start(48_000))).Failure);
            return;
        }

        uint before = world.Reservations.LoadNs;
        _ = await audio.Start(48_000);
        uint need = world.Reservations.LoadNs - before;
        Assert.InRange(need, 1_000u, 10_000u);
        Assert.InRange(world[1].Watch!.ReservedNs, world.Reservations.LoadNs, world.Reservations.LoadNs + DummyLadder.StepNs);
        await audio.Stop();
        await world.Quiet();
        Assert.Equal(before, world.Reservations.LoadNs);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_interrupt_that_overtakes_the_end_of_its_transfer_is_seen(bool interruptsEarly)
    {
        using DummyWorld world = new(2, interruptsEarly: interruptsEarly);
        world.Host.Loop.Run(
            async () =>
            {
                await world.Start();
                await world.BootAll();
                for (byte setting = 1; setting <= 4; setting++)
                    Assert.True(await world[setting % 2].Choose(setting));
            },
            PatienceNs);
        Assert.Equal(interruptsEarly, world.Interrupts.Premature > 10);
        Assert.Equal(interruptsEarly, world.Interrupts.Premature != 0);
        Assert.True(world.Interrupts.Seen is { Transfers: > 10, Notices: > 0 }, $"{world.Interrupts.Seen}");
    }

    [Fact]
    public void Nothing_that_is_said_to_a_dummy_takes_a_packet_or_time_of_the_bus()
    {
        using SharedComputer machine = new(1, new() { InternalPortCount = 2 });
        PacketCounter packets = new();
        machine.Controller.Usb.Observer = packets;
        machine.Controller.Observer = packets;
        DummyDevice dummy = new(new Signal(machine.Host.Loop));
        machine.Controller.InternalPortsOf(0)[1].Plug(dummy);
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start();
                EhciDriver controller = await EhciDriver.Start(await machine.Open(0));
                DummyWatch watch = new(controller, machine.Sharing.FirstInternalPort);
                watch.Start();
                await machine.Host.Loop.Delay(1000 * DummyWorld.MillisecondNs);
                Assert.True(dummy.IsBound);
                for (uint need = 0; need <= 90_000; need += 30_000)
                {
                    dummy.Notify(new() { Number = 1, NeedNs = need });
                    await machine.Host.Loop.Delay(10 * DummyWorld.MillisecondNs);
                    Assert.InRange(watch.ReservedNs, need, need + DummyLadder.StepNs);
                    Assert.Equal(watch.ReservedNs, dummy.ReservedNs);
                }
            },
            PatienceNs);
        Assert.Equal((4ul, 0), (dummy.NoticesFetched, packets.Count));
    }

    [Fact]
    public void Each_setting_of_a_dummy_reserves_a_step_more_than_the_one_before()
    {
        Assert.Equal(0u, DummyLadder.TimeOf(0));
        for (int setting = 1; setting <= DummyLadder.StepCount; setting++)
        {
            Assert.InRange(DummyLadder.TimeOf(setting), ((uint)(setting - 1) * DummyLadder.StepNs) + 1, (uint)setting * DummyLadder.StepNs);
            Assert.Equal(setting, DummyLadder.SettingFor(DummyLadder.TimeOf(setting)));
        }

        Assert.Null(DummyLadder.SettingFor(DummyLadder.NsMax + 1));
    }

    private static void Run(int guests, Func<DummyWorld, Task> play, ReservationSteps without = ReservationSteps.None)
    {
        using DummyWorld world = new(guests, without);
        world.Host.Loop.Run(
            async () =>
            {
                await world.Start();
                await play(world);
            },
            PatienceNs);
        Assert.Equal(0ul, world.Host.Faults.Total);
    }

    private static DummyStatus DummyOf(DummyWorld world, int port, int set) =>
        Assert.Single(world.Reservations.Dummies, dummy => dummy.Port == port && dummy.Set == set);

    private static async Task<bool> Ask(DummyGuest guest, byte setting)
    {
        try
        {
            await guest.Device.SetInterface(0, setting);
            return true;
        }
        catch (DriverException)
        {
            return false;
        }
    }

    private sealed class PacketCounter : IPacketObserver, IBusShareObserver
    {
        public int Count { get; private set; }

        public void Transaction(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake) => Count++;

        public void TransferEnded(in UsbToken token, TransferType type, TransferOutcome outcome) => Count++;

        public void BusUsed(in BusUse use) => Count++;
    }
}
