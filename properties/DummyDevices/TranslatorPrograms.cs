using Dma.Drivers;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Streams behind hubs: what slow devices take of the bus below a hub, and what that takes of the shared bus, are two budgets.</summary>
public sealed class TranslatorPrograms
{
    private const ulong MillisecondNs = 1_000_000;
    private const ulong PatienceNs = 3_600_000_000_000;
    private const int Guests = 2;
    private const int SlowDevices = 2;
    private const int Devices = SlowDevices + 1;

    // What the driver lets be taken of a frame of full speed: six microframes and a part of the seventh.
    private const uint BelowNsMax = (6 * 125_000) + 30_000;

    // Steps of the ladder, notices, endpoints of hubs, looks at lists, and answers that do not come.
    private const uint SpareNs = 25_000;

    private static readonly IsochronousSetting[] s_slow = [new(100), new(400), new(700), new(900), new(180, In: false), new(600, In: false), new(940)];
    private static readonly IsochronousSetting[] s_fast = [new(512), new(2048), new(2600), new(3072), new(3072, In: false), new(2048, In: false)];

    private static Gen<Step> Steps =>
        from guest in Gen.Choose(0, Guests - 1)
        from device in Gen.Choose(0, Devices - 1)
        from setting in Gen.Choose(0, 7)
        from milliseconds in Gen.Choose(0, 8)
        select new Step(guest, device, (byte)(device < SlowDevices ? setting : setting % (s_fast.Length + 1)), milliseconds);

    [Fact]
    public void Slow_devices_are_granted_what_both_buses_have_whatever_is_taken_below_hubs_of_others()
    {
        Tally tally = new();
        Property.Check(Generate.Program(Steps, 30), steps => Run(world => Play(world, steps, tally)), count: 12);
        Assert.True(tally is { Granted: > 25, FullBelow: > 8, FullAbove: > 2, GrantedBesideFull: > 8 }, $"{tally}");
    }

    [Theory]
    [InlineData(0, 2, 2)]
    [InlineData(1, 1, 1)]
    public void Two_streams_behind_one_hub_miss_nothing(byte fast, byte first, byte second) => Run(async world =>
    {
        // The second comes later on the bus below than the first; and each descriptor that is done stands before that of the other.
        Assert.True(await world.Choose(0, SlowDevices, fast));
        Assert.True(await world.Choose(0, 0, first));
        await world.Host.Loop.Delay(7 * MillisecondNs);
        Assert.True(await world.Choose(0, 1, second));
        for (int look = 0; look < 40; look++)
        {
            await world.Host.Loop.Delay(3 * MillisecondNs / 2);
            world.Check();
        }
    });

    [Theory]
    [InlineData(ReservationSteps.None)]
    [InlineData(ReservationSteps.Translators)]
    public void Where_the_bus_below_counts_as_that_above_a_slow_device_is_refused_what_there_is_time_for(ReservationSteps without) => Run(
        async world =>
        {
            Assert.Equal(without == ReservationSteps.None, await world.Choose(0, 0, 2));
            Assert.Equal(without == ReservationSteps.None ? 0ul : 1ul, world.Reservations.Counts.Refused);
        },
        without);

    private static async Task Play(World world, Step[] steps, Tally tally)
    {
        foreach (Step step in steps)
        {
            await world.Quiet();
            bool fitsBelow = world.BelowNs(step.Guest, step) <= BelowNsMax;
            bool mustFitBelow = world.MustFitBelow(step);
            bool mustFitAbove = world.AboveNs(step) + SpareNs <= SharedUsbController.PeriodicNsMax;
            bool isOtherFull = world.BelowNs(1 - step.Guest, null) > BelowNsMax / 2;
            bool isDone = await world.Choose(step.Guest, step.Device, step.Setting);
            Assert.True(isDone || !mustFitBelow || !mustFitAbove, $"{step} was refused, though there is time.");
            Assert.False(isDone && !fitsBelow);
            await world.Host.Loop.Delay((ulong)step.Milliseconds * MillisecondNs);
            world.Check();
            bool isSlow = step.Device < SlowDevices && step.Setting != 0;
            tally.Granted += isDone && isSlow ? 1 : 0;
            tally.GrantedBesideFull += isDone && isSlow && isOtherFull ? 1 : 0;
            tally.FullBelow += isDone || fitsBelow ? 0 : 1;
            tally.FullAbove += isDone || !mustFitBelow ? 0 : 1;
        }
    }

    private static void Run(Func<World, Task> play, ReservationSteps without = ReservationSteps.None)
    {
        using World world = new();
        world.Host.Loop.Run(
            async () =>
            {
                await world.Start(without);
                await play(world);
            },
            PatienceNs);
        Assert.Equal(0ul, world.Host.Faults.Total);
    }

    private static uint BelowNs(int setting) =>
        setting == 0 ? 0 : TransactionTime.FullSpeedIsochronous(s_slow[setting - 1].Bytes, s_slow[setting - 1].In);

    // The start and the end of a split are never in the same microframe of one device, but may be in that of two.
    private static uint AboveNs(int device, int setting)
    {
        if (setting == 0)
            return 0;
        if (device == SlowDevices)
            return TransactionTime.HighSpeedIsochronous(s_fast[setting - 1].Packets * s_fast[setting - 1].PacketBytes);
        PeriodicEndpoint slow = new(EndpointSpeed.Full, IsIsochronous: true, s_slow[setting - 1].In, s_slow[setting - 1].Bytes, 8);
        return slow.StartNs + slow.CompleteNs;
    }

    /// <summary>Two guests, each with a hub, and behind it two slow devices and a fast one.</summary>
    private sealed class World : IDisposable
    {
        private readonly SharedComputer _machine = new(Guests, new() { InternalPortCount = Guests - 1 });
        private readonly IsochronousDevice[][] _devices;
        private readonly IsochronousDriver[][] _drivers = new IsochronousDriver[Guests][];
        private readonly DummyWatch[] _watches = new DummyWatch[Guests];

        public World()
        {
            _devices = [.. Enumerable.Range(0, Guests).Select(_ => (IsochronousDevice[])[new(UsbSpeed.Full, s_slow), new(UsbSpeed.Full, s_slow), new(s_fast)])];
            for (int guest = 0; guest < Guests; guest++)
            {
                UsbHub hub = new(Host.Loop);
                _machine.Controller.Usb.Ports[guest].Plug(hub);
                for (int device = 0; device < Devices; device++)
                    hub.Downstream[device].Plug(_devices[guest][device]);
            }
        }

        public Host Host => _machine.Host;

        public PeriodicReservations Reservations { get; private set; } = null!;

        public async Task Start(ReservationSteps without)
        {
            await _machine.Start();
            Reservations = PeriodicReservations.Start(Host, _machine.Sharing, _machine.Controller.InternalPortsOf, new() { Without = without });
            await Task.WhenAll(Enumerable.Range(0, Guests).Select(Boot));
            await Quiet();
        }

        /// <summary>Waits until each guest has in its books what the others have, and no more.</summary>
        public async Task Quiet()
        {
            do
                await Host.Loop.Delay(MillisecondNs);
            while (!Reservations.IsQuiet || Reservations.Dummies.Any(dummy => dummy.State is not (DummyState.Bound or DummyState.Reserved)));
        }

        public async Task<bool> Choose(int guest, int device, byte setting)
        {
            try
            {
                await _drivers[guest][device].Choose(setting);
                return true;
            }
            catch (DriverException failure) when (failure.Failure is DriverFailure.NoBandwidth or DriverFailure.RequestRefused)
            {
                return false;
            }
        }

        /// <summary>What is taken of a frame below the hub of a guest, with a step or without.</summary>
        public uint BelowNs(int guest, Step? step) => (uint)Enumerable.Range(0, SlowDevices).Sum(device => TranslatorPrograms.BelowNs(SettingOf(guest, device, step)));

        /// <summary>Whether the bus below must have time: where something stands in its frame already, it depends on where.</summary>
        public bool MustFitBelow(Step step) => step.Device == SlowDevices || step.Setting == 0 || SettingOf(step.Guest, 1 - step.Device, null) == 0;

        /// <summary>What is taken of a microframe of the shared bus at most, with a step or without.</summary>
        public uint AboveNs(Step? step) => (uint)Enumerable.Range(0, Guests).Sum(guest => AboveNs(guest, step));

        public void Check()
        {
            for (int guest = 0; guest < Guests; guest++)
            {
                Assert.InRange(BelowNs(guest, null), 0u, BelowNsMax);
                Assert.InRange(Reservations.LoadOf(guest), AboveNs(guest, null), AboveNs(guest, null) + SpareNs);
                Assert.True(_watches[1 - guest].ReservedNs >= AboveNs(guest, null));
                Assert.All(_drivers[guest], driver => Assert.Equal(0ul, driver.Missed));
            }

            Assert.InRange(Reservations.LoadNs, 0u, SharedUsbController.PeriodicNsMax);
        }

        public void Dispose() => _machine.Dispose();

        private uint AboveNs(int guest, Step? step) => (uint)Enumerable.Range(0, Devices).Sum(device => TranslatorPrograms.AboveNs(device, SettingOf(guest, device, step)));

        private int SettingOf(int guest, int device, Step? step) =>
            step is { } one && (one.Guest, one.Device) == (guest, device) ? one.Setting : _devices[guest][device].Setting;

        private async Task Boot(int guest)
        {
            EhciDriver controller = await EhciDriver.Start(await _machine.Open(guest));
            _watches[guest] = new(controller, _machine.Sharing.FirstInternalPort);
            _watches[guest].Start();
            HubDriver hub = await HubDriver.Start(await UsbDeviceHandle.Enumerate(controller, guest + 1));
            _drivers[guest] = new IsochronousDriver[Devices];
            for (int device = 0; device < Devices; device++)
                _drivers[guest][device] = IsochronousDriver.Open(await UsbDeviceHandle.Enumerate(hub, device + 1));
        }
    }

    private readonly record struct Step(int Guest, int Device, byte Setting, int Milliseconds);

    private sealed record Tally
    {
        public int Granted { get; set; }

        public int GrantedBesideFull { get; set; }

        public int FullBelow { get; set; }

        public int FullAbove { get; set; }
    }
}
