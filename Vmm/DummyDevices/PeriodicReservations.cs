using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>Keeps the books of periodic time for all VMs that share a controller, and lets each of them know what the others have.</summary>
/// <remarks>
/// A guest's driver keeps books of its own and cannot see what others reserve. So each root port that a VM has is mirrored
/// in every other VM by a dummy device, whose driver reserves there what is reserved behind the port. A request for more goes out when
/// every one of them has; a request for less goes out at once, and they follow. What a VM was granted is the budget of its
/// register set as well, so that one that takes more harms itself alone.
/// </remarks>
public sealed class PeriodicReservations : ISharingFollower
{
    private const int LooksToSpare = 2;

    private readonly Host _host;
    private readonly SharedUsbController _sharing;
    private readonly Func<int, IReadOnlyList<UsbPort>> _sockets;
    private readonly DummyOptions _options;
    private readonly Signal _signal;
    private readonly DummyContext _context;
    private readonly Queue<Func<ValueTask>> _work = new();
    private readonly Dictionary<(int Set, byte Address), GuestDevice> _devices = [];
    private readonly SortedDictionary<int, Mirror> _mirrors = [];
    private readonly SortedSet<int> _members = [];
    private readonly DummyConduct[] _conducts;
    private readonly List<RequestNotice> _asked = [];
    private readonly uint _looksNs;
    private bool _isBusy;

    private PeriodicReservations(Host host, SharedUsbController sharing, Func<int, IReadOnlyList<UsbPort>> sockets, DummyOptions options)
    {
        (_host, _sharing, _sockets, _options, _signal) = (host, sharing, sockets, options, new(host.Loop));

        _context = new(host.Loop, _signal, sharing.ChargeExit, MayLackTime, ConductOf, options, Counts);
        _conducts = [.. Enumerable.Range(0, sharing.SetCount).Select(_ => new DummyConduct(options))];

        // Structures of dummies cost their set a look each, wherever the driver has put them.
        _looksNs = sharing.FetchNs * (uint)(sharing.InternalPortCount + LooksToSpare);
    }

    /// <summary>What became of reservations.</summary>
    public ReservationCounts Counts { get; } = new();

    /// <summary>All dummies.</summary>
    public IReadOnlyList<DummyStatus> Dummies => [.. _mirrors.Values.SelectMany(mirror => mirror.Dummies.Select(dummy => new DummyStatus(
        mirror.Port, mirror.Owner, dummy.Set, _sharing.FirstInternalPort + dummy.Number - 1, dummy.State, dummy.NeedNs, dummy.Device.ReservedNs)))];

    /// <summary>Whether nothing is under way.</summary>
    public bool IsQuiet => _work.Count == 0 && !_isBusy;

    /// <summary>Begins to keep the books of a controller, before any VM has a part of it.</summary>
    /// <param name="host">The host.</param>
    /// <param name="sharing">The controller.</param>
    /// <param name="sockets">The ports of each register set that have no bus behind them.</param>
    /// <param name="options">How.</param>
    public static PeriodicReservations Start(Host host, SharedUsbController sharing, Func<int, IReadOnlyList<UsbPort>> sockets, DummyOptions? options = null)
    {
        PeriodicReservations reservations = new(host, sharing, sockets, options ?? new());
        for (int set = 0; set < sharing.SetCount; set++)
        {
            if (reservations.Polices)
                _ = sharing.TryPromise(set, 0);
            else
                sharing.LiftBudget(set);
        }

        (sharing.Follower, sharing.HoldsConfigurations) = (reservations, true);
        host.Loop.Start(reservations.Serve);
        return reservations;
    }

    /// <summary>What is promised to a VM, in nanoseconds of each microframe, for its streams alone.</summary>
    /// <param name="set">Its register set, from 0 on.</param>
    public uint LoadOf(int set) => (uint)_devices.Where(entry => entry.Key.Set == set).Sum(entry => entry.Value.PromisedNs);

    /// <summary>What is promised to all VMs.</summary>
    public uint LoadNs => (uint)_devices.Values.Sum(device => device.PromisedNs);

    /// <summary>How the drivers of the dummies of a VM behaved, since it has its register set.</summary>
    /// <param name="set">Its register set, from 0 on.</param>
    public DummyConduct ConductOf(int set) => _conducts[set];

    /// <summary>What can still be promised.</summary>
    public uint FreeNs => SharedUsbController.PeriodicNsMax - Math.Min(SharedUsbController.PeriodicNsMax, Taken);

    private uint Taken => LoadNs + (_looksNs * (uint)_members.Count);

    private bool Polices => (_options.Without & (ReservationSteps.Policing | ReservationSteps.Dummies)) == 0;

    /// <inheritdoc/>
    public void Noticed(in RequestNotice notice)
    {
        RequestNotice seen = notice;
        if (seen.State == HeldState.Asked)
            _asked.Add(seen);
        Do(() => seen.State == HeldState.Asked ? Decide(seen) : Follow(seen));
    }

    /// <inheritdoc/>
    public void SetMoved(int set, bool isGiven) => Do(() =>
    {
        _ = isGiven && Taken + _looksNs <= SharedUsbController.PeriodicNsMax ? _members.Add(set) : _members.Remove(set);
        if (isGiven)
            _conducts[set] = new(_options);
        Promise(set);
        PlugAll();
        return default;
    });

    /// <inheritdoc/>
    public void PortMoved(int port, int? set) => Do(() =>
    {
        if (_mirrors.Remove(port, out Mirror? before))
            before.Unplug();
        Mirror? added = null;
        if (set is { } owner && !Leaves(ReservationSteps.Dummies))
            _mirrors.Add(port, added = new(port, owner, _context));
        PlugAll(added);
        return default;
    });

    // One thing at a time, in the order in which it came.
    private async Task Serve()
    {
        while (await _signal.Wait())
        {
            while (_work.TryDequeue(out Func<ValueTask>? work))
            {
                _isBusy = true;
                await work();
                _isBusy = false;
            }

            foreach (Mirror mirror in _mirrors.Values)
                mirror.TellNewDrivers();
        }
    }

    private void Do(Func<ValueTask> work)
    {
        if (Leaves(ReservationSteps.Serialisation))
        {
            _host.Loop.Start(async () => await work());
            return;
        }

        _work.Enqueue(work);
        _signal.Raise();
    }

    private bool Leaves(ReservationSteps step) => (_options.Without & step) != 0;

    // Each root port has a dummy in every VM but the one that owns it: never one for a dummy.
    private void PlugAll(Mirror? added = null)
    {
        Counts.Unplugged = 0;
        foreach (Mirror mirror in _mirrors.Values)
        {
            foreach (Dummy gone in mirror.Dummies.Where(dummy => !_members.Contains(dummy.Set)).ToArray())
                mirror.Unplug(gone.Set);
            if (Leaves(ReservationSteps.Latecomers) && mirror != added)
                continue;
            foreach (int set in _members.Where(set => set != mirror.Owner && !mirror.IsIn(set)))
                Counts.Unplugged += mirror.TryPlug(set, _sockets(set)) ? 0u : 1u;
        }
    }

    private async ValueTask Decide(RequestNotice notice)
    {
        ulong startNs = _host.Loop.NowNs;
        _sharing.ChargeExit(notice.Set);
        GuestDevice device = DeviceOf(notice);
        DeviceChoice? next = NextOf(notice);
        uint needNs = next?.NeedNs ?? 0;
        Note(ReservationEventKind.Asked, device, notice.Set, needNs);
        bool isMore = needNs > device.Choice.NeedNs;
        bool isGranted = next is not null && (!isMore || Leaves(ReservationSteps.Dummies) || await Raise(device, notice.Set, next));
        device.Next = isGranted ? next : null;
        Promise(notice.Set);
        if (isMore && isGranted)
        {
            Counts.Granted++;
            Counts.SetupNsTotal += _host.Loop.NowNs - startNs;
            Counts.SetupNsMax = Math.Max(Counts.SetupNsMax, _host.Loop.NowNs - startNs);
        }

        Counts.Refused += isGranted ? 0u : 1u;
        _ = _asked.Remove(notice);
        Note(isGranted ? ReservationEventKind.Granted : ReservationEventKind.Refused, device, notice.Set, needNs);
        _sharing.Answer(notice, isGranted ? (byte)1 : (byte)0);
    }

    // The first half: the bus must have time, then every other VM; where one has not, all go back to what was.
    private async ValueTask<bool> Raise(GuestDevice device, int set, DeviceChoice next)
    {
        uint moreNs = next.NeedNs - device.PromisedNs;
        if (device.Port is not { } port || Taken + moreNs > SharedUsbController.PeriodicNsMax || !_mirrors.TryGetValue(port, out Mirror? mirror))
            return false;
        uint beforeNs = mirror.NeedNs;
        if (beforeNs + moreNs > DummyLadder.NsMax)
            return false;
        if (!Leaves(ReservationSteps.Serialisation))
            device.Next = next;
        Promise(set);
        Counts.Changes++;
        ReservationEventKind result = await mirror.Reserve(beforeNs + moreNs);
        if (result == ReservationEventKind.Mirrored)
            return true;
        Counts.RefusedFalsely += result == ReservationEventKind.Rejected ? 1u : 0;
        device.Next = null;
        Counts.Changes++;
        _ = await mirror.Reserve(beforeNs);
        return false;
    }

    // The second half: what became of the request, or of the device.
    private async ValueTask Follow(RequestNotice notice)
    {
        if (_devices.TryGetValue((notice.Set, notice.Address), out GuestDevice? device))
        {
            ReservationEventKind kind = notice.State switch
            {
                HeldState.Done => ReservationEventKind.Done,
                HeldState.Dropped => ReservationEventKind.Dropped,
                _ => ReservationEventKind.Gone,
            };
            if (notice.State == HeldState.Gone)
                _ = _devices.Remove((notice.Set, notice.Address));
            device.Choice = notice.State == HeldState.Gone ? DeviceChoice.None : notice.State == HeldState.Done && device.Next is { } next ? next : device.Choice;
            device.Next = null;
            Note(kind, device, notice.Set, device.Choice.NeedNs);
            Promise(notice.Set);
            await Lower(device.Port);
        }

        _sharing.Answer(notice);
    }

    private async ValueTask Lower(int? port)
    {
        if (port is not { } number || !_mirrors.TryGetValue(number, out Mirror? mirror))
            return;
        uint needNs = (uint)_devices.Values.Where(device => device.Port == number).Sum(device => device.PromisedNs);
        if (needNs >= mirror.NeedNs)
            return;
        Counts.Changes++;
        _ = await mirror.Reserve(needNs);
    }

    // What a VM is known to have is what it was granted, what it asks for, and what it was told to reserve. A driver takes each
    // into its books before anybody knows of it, so a request that waits counts. Where all of it fits, so does each part.
    private bool MayLackTime(int set)
    {
        if (Leaves(ReservationSteps.Doubt))
            return true;
        long ownNs = _devices.Keys.Union(_asked.Select(asked => (asked.Set, asked.Address))).Where(key => key.Set == set).Sum(MostOf);
        IEnumerable<Dummy> dummies = _mirrors.Values.SelectMany(mirror => mirror.Dummies).Where(dummy => dummy.Set == set);
        long mirroredNs = dummies.Sum(dummy => dummy.ToldNs + TransactionTime.HighSpeed(ReservationNotice.Size));
        return ownNs + mirroredNs > SharedUsbController.PeriodicNsMax;
    }

    // The most that a device has, or will have by a request that waits.
    private long MostOf((int Set, byte Address) device) => _asked
        .Where(asked => (asked.Set, asked.Address) == device)
        .Select(asked => NextOf(asked)?.NeedNs ?? 0)
        .Append(_devices.GetValueOrDefault(device)?.PromisedNs ?? 0)
        .Max();

    private DeviceChoice? NextOf(RequestNotice asked) => (_devices.GetValueOrDefault((asked.Set, asked.Address))?.Choice ?? DeviceChoice.None)
        .After(asked.Setup, value => _sharing.ConfigurationOf(asked.Real, value), asked.IsSplit, Leaves(ReservationSteps.Translators));

    private GuestDevice DeviceOf(in RequestNotice notice)
    {
        if (!_devices.TryGetValue((notice.Set, notice.Address), out GuestDevice? device))
            _devices.Add((notice.Set, notice.Address), device = new(_sharing.RootPortOf(notice.Real)));
        return device;
    }

    private void Promise(int set)
    {
        if (Polices)
            _ = _sharing.TryPromise(set, LoadOf(set) + (_members.Contains(set) ? _looksNs : 0));
    }

    private void Note(ReservationEventKind kind, GuestDevice device, int set, uint needNs) =>
        _options.Observer?.Happened(new(kind, _host.Loop.NowNs, device.Port ?? 0, set, set, needNs));
}
