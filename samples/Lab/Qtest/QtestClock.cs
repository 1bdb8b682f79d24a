using System.Diagnostics;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>Who moves the virtual time of a machine: clients alone, or the wall clock too.</summary>
internal sealed class QtestClock
{
    /// <summary>The last instant that there is, as the protocol has signed numbers.</summary>
    public const ulong EndNs = long.MaxValue;

    // How many events run before others get their turn; a machine with a running controller has thousands in each second.
    private const int SliceEvents = 4096;
    private static readonly TimeSpan CatchUpTime = TimeSpan.FromMilliseconds(20);

    private readonly EventLoop _loop;
    private readonly Stopwatch? _wall;

    // How far virtual time is ahead of the wall clock.
    private long _aheadNs;

    /// <summary>A clock for a machine.</summary>
    /// <param name="loop">Its time.</param>
    /// <param name="isRealTime">Whether virtual time follows the wall clock.</param>
    public QtestClock(EventLoop loop, bool isRealTime)
    {
        _loop = loop;
        _wall = isRealTime ? Stopwatch.StartNew() : null;
    }

    /// <summary>Virtual time in nanoseconds.</summary>
    public ulong NowNs => _loop.NowNs;

    /// <summary>When the next event is due, in nanoseconds of virtual time; null where none is planned.</summary>
    public ulong? NextDueNs => _loop.NextDueNs;

    /// <summary>How far virtual time may be behind the wall clock and still make it up, in nanoseconds.</summary>
    public ulong LagMaxNs { get; init; }

    /// <summary>How long the next event is away on the wall clock; null where nothing happens by itself.</summary>
    public TimeSpan? UntilNext
    {
        get
        {
            if (_wall is null || NextDueNs is not { } due)
                return null;
            ulong now = WallNs(_wall);
            return TimeSpan.FromMicroseconds((Math.Max(due, now) - now) / 1000);
        }
    }

    /// <summary>Brings virtual time up to the wall clock. A machine that is slower than that loses the time that it cannot make up.</summary>
    /// <returns>Whether it is up to it now, or has lost what was missing; else another turn gets further.</returns>
    public bool CatchUp()
    {
        if (_wall is null)
            return true;
        ulong target = WallNs(_wall);
        long giveUp = Stopwatch.GetTimestamp() + (long)(CatchUpTime.TotalSeconds * Stopwatch.Frequency);
        if (MoveTo(target, () => Stopwatch.GetTimestamp() > giveUp))
            return true;
        ulong lag = target - NowNs;
        _aheadNs -= (long)(lag - Math.Min(lag, LagMaxNs));
        return LagMaxNs == 0;
    }

    /// <summary>Moves virtual time forward, with all that is due meanwhile, as far as one turn goes.</summary>
    /// <param name="timeNs">Up to when, in nanoseconds since power-on.</param>
    /// <returns>Whether it is that late now; else another turn is needed.</returns>
    public bool TryReach(ulong timeNs)
    {
        ulong before = NowNs;
        if (timeNs <= before)
            return true;
        int events = 0;
        bool reached = MoveTo(timeNs, () => ++events > SliceEvents);
        _aheadNs += (long)(NowNs - before);
        return reached;
    }

    // What virtual time would be now; it never goes back.
    private ulong WallNs(Stopwatch wall) => (ulong)Math.Max((wall.Elapsed.Ticks * 100) + _aheadNs, (long)NowNs);

    private bool MoveTo(ulong timeNs, Func<bool> stop)
    {
        if (_loop.RunUntil(stop, timeNs - NowNs))
            return false;

        // Nothing is due any more until then; only time is left to pass.
        _loop.RunFor(timeNs - NowNs);
        return true;
    }
}
