using Dma.Machine;

namespace Dma.UsbDevice;

/// <summary>Address 0 of a shared bus, to which every device answers that was just reset: one register set has it at a time, others wait in line.</summary>
/// <remarks>
/// A set has it from the reset of a device until that device has an address of its own or cannot answer any more. A root
/// port that was reset meanwhile for another set is enabled, but held: nothing passes it until its set has address 0.
/// Where others wait, a set has it for a bounded time; then the root port behind which it was used is shut.
/// </remarks>
public sealed class AddressZero
{
    private const ulong UnusedNsMax = 10_000_000;

    private readonly EventLoop _loop;
    private readonly IAddressedBus _bus;
    private readonly AddressTable _table;
    private readonly AddressOptions _options;
    private readonly AddressStatistics _statistics;
    private readonly Queue<int> _line;
    private readonly bool[] _waits;
    private readonly ulong[] _waitsSinceNs;
    private readonly ulong[] _waitedNs;
    private readonly List<DevicePlace>[] _places;
    private readonly ScheduledEvent _limit;
    private ulong _sinceNs;

    /// <summary>Nobody has it.</summary>
    internal AddressZero(EventLoop loop, IAddressedBus bus, AddressTable table, AddressOptions options, AddressStatistics statistics, int setCount)
    {
        (_loop, _bus, _table, _options, _statistics) = (loop, bus, table, options, statistics);
        _line = new(setCount);
        _waits = new bool[setCount];
        (_waitsSinceNs, _waitedNs) = (new ulong[setCount], new ulong[setCount]);
        _places = [.. Enumerable.Range(0, setCount).Select(_ => new List<DevicePlace>())];
        _limit = new(Expire);
    }

    /// <summary>The set that has it; -1 where none has.</summary>
    public int Owner { get; private set; } = -1;

    /// <summary>How many wait for it.</summary>
    public int Waiting => _line.Count;

    /// <summary>Whether tokens of a set to it may go out.</summary>
    public bool MayUse(int set) => Owner == set || !_options.GuardsAddressZero;

    /// <summary>Whether a set waits for it.</summary>
    public bool IsWaiting(int set) => _waits[set];

    /// <summary>How long a set waited for it in all, in nanoseconds, until it had it each time.</summary>
    public ulong WaitedNs(int set) => _waitedNs[set];

    /// <summary>The places at which devices of a set may answer to it.</summary>
    public IReadOnlyList<DevicePlace> PlacesOf(int set) => _places[set];

    /// <summary>A set needs it: it has it at once, or stands in line.</summary>
    /// <returns>Whether it has it.</returns>
    public bool Request(int set)
    {
        if (MayUse(set))
            return true;
        if (Owner < 0)
        {
            Grant(set);
            return true;
        }

        if (!_waits[set])
        {
            (_waits[set], _waitsSinceNs[set]) = (true, _loop.NowNs);
            _line.Enqueue(set);
            _statistics.Waits++;
            LimitTime();
        }

        return false;
    }

    /// <summary>A device of a set answers to it from now on, or will as soon as its set has it.</summary>
    public void Add(int set, DevicePlace place)
    {
        if (!_places[set].Contains(place))
            _places[set].Add(place);
    }

    /// <summary>Whatever is at some places does not answer to it any more.</summary>
    public void Remove(int set, Predicate<DevicePlace> isGone)
    {
        if (_places[set].RemoveAll(isGone) != 0 && _places[set].Count == 0)
            GiveUp(set);
    }

    /// <summary>A set does not need it any more, and leaves the line.</summary>
    public void GiveUp(int set)
    {
        _places[set].Clear();
        _waits[set] = false;
        if (Owner == set)
            GrantNext();
    }

    private void GrantNext()
    {
        Owner = -1;
        _limit.Cancel();
        while (_line.TryDequeue(out int next))
        {
            if (!_waits[next])
                continue;
            _waits[next] = false;
            _waitedNs[next] += _loop.NowNs - _waitsSinceNs[next];
            Grant(next);
            return;
        }

        _bus.ZeroMoved(-1);
    }

    private void Grant(int set)
    {
        (Owner, _sinceNs) = (set, _loop.NowNs);
        _bus.ZeroMoved(set);
        if (_line.Count != 0)
            LimitTime();
    }

    private void LimitTime()
    {
        ulong endNs = _sinceNs + (_places[Owner].Count == 0 ? UnusedNsMax : _options.AddressZeroNsMax);
        _limit.Cancel();
        _loop.Schedule(endNs > _loop.NowNs ? endNs - _loop.NowNs : 0, _limit);
    }

    private void Expire()
    {
        if (Owner < 0)
            return;
        int set = Owner;
        if (_places[set].Count == 0)
        {
            // Whoever asked for it has not come back for it.
            GiveUp(set);
            return;
        }

        if (_loop.NowNs < _sinceNs + _options.AddressZeroNsMax)
        {
            LimitTime();
            return;
        }

        _statistics.Expiries++;
        foreach (DevicePlace place in _places[set].ToArray())
            _bus.Shut(set, place.Hub == 0 ? place.Port : _table.PlaceOf(place.Hub).Port);
        GiveUp(set);
    }
}
