using Dma.Drivers;
using Dma.Hal;
using Dma.Lab;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Guests that share a controller, each with a device that streams, and with dummies for the devices of the others.</summary>
/// <remarks>The truth is taken from the devices themselves: in which setting each of them is, and what that takes of a microframe.</remarks>
internal sealed class DummyWorld : IDisposable, IReservationObserver, IBusShareObserver
{
    public const ulong MillisecondNs = 1_000_000;

    private readonly SharedComputer _machine;
    private readonly DummyGuest?[] _guests;
    private readonly HashSet<int> _settled = [];

    public DummyWorld(int guests, ReservationSteps without = ReservationSteps.None, ulong answerNsMax = 50 * MillisecondNs, bool interruptsEarly = false)
    {
        Interrupts = new() { IsLate = interruptsEarly };
        Options = new() { Without = without, Observer = this, AnswerNsMax = answerNsMax };
        _machine = new(guests, new() { InternalPortCount = guests - 1 }, Interrupts.Around);
        Interrupts.Controller = _machine.Controller;
        _guests = new DummyGuest?[guests];
        Devices = [.. Enumerable.Range(0, guests).Select(_ => new IsochronousDevice(Settings))];
        for (int number = 0; number < guests; number++)
            _machine.Controller.Usb.Ports[number].Plug(Devices[number]);
        _machine.Controller.Observer = this;
    }

    /// <summary>What each device can be set to, from the second setting on.</summary>
    public static IReadOnlyList<IsochronousSetting> Settings { get; } =
    [
        new(Bytes: 64), new(512), new(1024), new(1500), new(2048), new(2560), new(3072),
        new(900, In: false), new(2048, In: false), new(1024, In: true, Interval: 2), new(700, In: false, Interval: 4), new(8),
    ];

    public DummyOptions Options { get; }

    /// <summary>What interrupts told of.</summary>
    public InterruptWatch Interrupts { get; }

    public IReadOnlyList<IsochronousDevice> Devices { get; }

    public Host Host => _machine.Host;

    public SharedEhciController Controller => _machine.Controller;

    public SharedUsbController Sharing => _machine.Sharing;

    public PeriodicReservations Reservations { get; private set; } = null!;

    public List<ReservationEvent> Events { get; } = [];

    public int Count => _guests.Length;

    /// <summary>Checked at each step of a reservation.</summary>
    public Action Looked { get; set; } = static () => { };

    /// <summary>The largest periodic time of a microframe on the wire.</summary>
    public ulong PeriodicNsMax { get; private set; }

    /// <summary>Packets on the wire for an address that no device has which is really there.</summary>
    public int Strays { get; private set; }

    private (ulong Microframe, ulong Ns) _periodic;

    public DummyGuest this[int number] => _guests[number] ?? throw new InvalidOperationException("The guest is not there.");

    public bool Has(int number) => _guests[number] is not null;

    public async Task Start()
    {
        await _machine.Start();
        Reservations = PeriodicReservations.Start(Host, Sharing, Controller.InternalPortsOf, Options);
    }

    /// <summary>A guest gets its set and port, and starts its drivers.</summary>
    public async Task Boot(int number, bool hasDummyDriver = true)
    {
        PciDevice device = await _machine.Open(number);
        _guests[number] = await DummyGuest.Start(device, number + 1, hasDummyDriver ? Sharing.FirstInternalPort : null);
    }

    /// <summary>All guests get theirs, and wait until each dummy has a driver.</summary>
    public async Task BootAll()
    {
        await Task.WhenAll(Enumerable.Range(0, Count).Select(number => Boot(number)));
        await Quiet();
    }

    /// <summary>A guest crashes: its set is taken back under its drivers.</summary>
    public async Task Crash(int number)
    {
        _ = _settled.Remove(number);
        Assert.True((await Sharing.TakeBack(number)).IsDone);

        // Nothing of its software goes on; that its memory cannot be given back any more is no surprise.
        _ = await Assert.ThrowsAsync<DriverException>(async () => await _guests[number]!.Controller.Stop());
        _guests[number] = null;
        await Quiet();
    }

    /// <summary>Waits until nothing is under way.</summary>
    public async Task Quiet()
    {
        for (int quiet = 0, waited = 0; quiet < 3; waited++)
        {
            Assert.True(waited < 20_000, $"It never comes to rest: {Reservations.IsQuiet}, {string.Join("; ", Reservations.Dummies)}.");
            await Host.Loop.Delay(MillisecondNs);
            bool isQuiet = Reservations.IsQuiet && Reservations.Dummies.All(dummy => !HasDriver(dummy.Set)
                || dummy.State is DummyState.Bound or DummyState.Reserved);
            quiet = isQuiet ? quiet + 1 : 0;
        }

        _settled.UnionWith(Enumerable.Range(0, Count).Where(HasDriver));
    }

    /// <summary>What a device really takes of a microframe in which it has its turn, as hosts reckon; nothing where its port lets nothing through.</summary>
    public uint LoadOf(int number) => Devices[number].Setting is 0 || !Controller.Usb.Ports[number].Passes ? 0 : TransactionTime.HighSpeedIsochronous(
        Settings[Devices[number].Setting - 1].Packets * Settings[Devices[number].Setting - 1].PacketBytes);

    /// <summary>Whether there is time for a setting in the views of all guests, and in the books of the VMM, however it is rounded.</summary>
    public bool MustFit(int number, byte setting)
    {
        uint Need(int guest) => NeedOf(guest == number ? setting : Devices[guest].Setting);
        uint Mirrored(int guest) => DummyLadder.SettingFor(Need(guest)) is { } step ? DummyLadder.TimeOf(step) : uint.MaxValue / 8;
        uint notices = (uint)(Count - 1) * TransactionTime.HighSpeed(ReservationNotice.Size);
        uint looks = (uint)Count * Sharing.FetchNs * (uint)(Sharing.InternalPortCount + 2);
        int[] all = [.. Enumerable.Range(0, Count)];
        return all.All(view => all.Sum(guest => guest == view ? Need(guest) : Mirrored(guest)) + notices <= 100_000)
            && all.Sum(guest => Need(guest)) + looks <= 100_000;
    }

    // The longest that the controller can be busy with it, in nanoseconds of a microframe.
    private static uint NeedOf(int setting)
    {
        if (setting == 0)
            return 0;
        IsochronousSetting chosen = Settings[setting - 1];
        uint packet = WireTime.HighSpeedIsochronous(chosen.PacketBytes);
        uint wire = (uint)chosen.Packets * (chosen.In ? Math.Max(packet, WireTime.HighSpeedIsochronousUnanswered()) : packet);
        return Math.Max(wire, TransactionTime.HighSpeedIsochronous(chosen.Packets * chosen.PacketBytes));
    }

    /// <summary>No view is below what the devices of others really take; that of a guest that just came has yet to catch up.</summary>
    public void CheckViews()
    {
        for (int number = 0; number < Count; number++)
        {
            if (!_settled.Contains(number))
                continue;
            uint others = (uint)Enumerable.Range(0, Count).Where(other => other != number).Sum(other => LoadOf(other));
            uint mirrored = this[number].Watch!.ReservedNs;
            Assert.True(mirrored >= others, $"VM {number} believes in {mirrored} ns of others, who have {others}.");
            foreach (uint reserved in this[number].Controller.ReservedNs)
                Assert.True(reserved >= mirrored, $"VM {number} has {mirrored} ns of dummies, and {reserved} in a microframe.");
        }
    }

    /// <summary>Slots that were due and missed, of all guests.</summary>
    public (ulong Due, ulong Missed) Slots() => (
        (ulong)_guests.Sum(guest => (long)(guest?.Stream.Due ?? 0)),
        (ulong)_guests.Sum(guest => (long)(guest?.Stream.Missed ?? 0)));

    public void Happened(in ReservationEvent step)
    {
        Events.Add(step);
        Looked();
    }

    public void BusUsed(in BusUse use)
    {
        ulong microframe = (use.StartNs - Controller.Usb.Frames.StartOf(0)) / WireTime.MicroframeNs;
        Assert.Equal(microframe, (use.StartNs + use.WireNs - 1 - Controller.Usb.Frames.StartOf(0)) / WireTime.MicroframeNs);
        if (!use.IsPeriodic)
            return;
        _periodic = _periodic.Microframe == microframe ? (microframe, _periodic.Ns + use.WireNs) : (microframe, use.WireNs);
        PeriodicNsMax = Math.Max(PeriodicNsMax, _periodic.Ns);
    }

    public void TokenHandled(in TokenUse use)
    {
        if (use.Sent is { } sent)
            Strays += Array.Exists([.. Devices], device => device.Address == sent.Address) ? 0 : 1;
    }

    public void Dispose() => _machine.Dispose();

    private bool HasDriver(int number) => _guests[number]?.Watch is not null;
}

/// <summary>The drivers of one guest.</summary>
internal sealed class DummyGuest
{
    private DummyGuest(EhciDriver controller, UsbDeviceHandle device, DummyWatch? watch) =>
        (Controller, Device, Stream, Watch) = (controller, device, IsochronousDriver.Open(device), watch);

    public EhciDriver Controller { get; }

    public UsbDeviceHandle Device { get; }

    public IsochronousDriver Stream { get; private set; }

    /// <summary>Null where the guest has no driver for dummies.</summary>
    public DummyWatch? Watch { get; }

    public static async Task<DummyGuest> Start(IDevice device, int port, int? firstDummy)
    {
        EhciDriver controller = await EhciDriver.Start(device);
        DummyWatch? watch = firstDummy is { } first ? new(controller, first) : null;
        watch?.Start();
        return new(controller, await UsbDeviceHandle.Enumerate(controller, port), watch);
    }

    /// <summary>Chooses a setting.</summary>
    /// <returns>Whether it was to be had.</returns>
    public async Task<bool> Choose(byte setting)
    {
        try
        {
            await Stream.Choose(setting);
            return true;
        }
        catch (DriverException failure) when (failure.Failure is DriverFailure.NoBandwidth or DriverFailure.RequestRefused)
        {
            return false;
        }
    }

    /// <summary>Sends on endpoints of a setting that it never asked for, as no driver should, for as long as its controller runs.</summary>
    /// <param name="setting">The setting, one that sends to the device.</param>
    /// <param name="pipes">How many times at once.</param>
    public Task Lie(byte setting, int pipes) => LyingGuest.Start(Controller, Device, setting, pipes);

    /// <summary>The device is lost for its driver, and found again.</summary>
    public async Task FindAgain()
    {
        await Stream.Halt();
        await Device.Reenumerate();
        Stream = IsochronousDriver.Open(Device);
    }
}
