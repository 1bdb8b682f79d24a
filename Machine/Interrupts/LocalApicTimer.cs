namespace Dma.Machine;

/// <summary>The timer of a local APIC: a count that falls to zero, once or again and again (Intel SDM volume 3, 11.5.4).</summary>
/// <remarks>
/// Its clock is one of 1 GHz, divided. Nothing happens at each tick: the count is worked out where it is read. A
/// periodic timer expires once a microsecond at the most, so that no guest holds up virtual time.
/// </remarks>
internal sealed class LocalApicTimer
{
    private const ulong PeriodNsMin = 1_000;

    private readonly EventLoop _loop;
    private readonly Action _expired;
    private readonly ScheduledEvent _event;
    private ulong _startNs;
    private uint _count;

    /// <summary>A timer that stands still.</summary>
    /// <param name="loop">Virtual time.</param>
    /// <param name="expired">What happens at zero.</param>
    public LocalApicTimer(EventLoop loop, Action expired)
    {
        (_loop, _expired) = (loop, expired);
        _event = new(Expire);
    }

    /// <summary>Whether it begins again each time.</summary>
    public bool IsPeriodic { get; private set; }

    /// <summary>What it begins with.</summary>
    public uint InitialCount { get; private set; }

    /// <summary>Nanoseconds of one step of the count: the divisor, 1 to 128.</summary>
    public uint StepNs { get; private set; } = 2;

    /// <summary>What is left; 0 while it stands still.</summary>
    public uint CurrentCount => _event.IsPending ? _count - (uint)Math.Min(_count, (_loop.NowNs - _startNs) / StepNs) : 0;

    /// <summary>Begins to count; 0 stops it.</summary>
    public void Start(uint count)
    {
        InitialCount = count;
        Count(count);
    }

    /// <summary>Counts in other steps; what is left stays left.</summary>
    /// <param name="configuration">Bits 3, 1 and 0 of the divide configuration register.</param>
    public void Divide(uint configuration)
    {
        uint left = CurrentCount;

        // 000b is 2, each more twice that, and 111b is 1.
        uint code = (configuration >> 1 & 4) | (configuration & 3);
        StepNs = code == 7 ? 1 : 2u << (int)code;
        Count(left);
    }

    /// <summary>Another mode: the timer is disarmed.</summary>
    public void SetPeriodic(bool isPeriodic)
    {
        if (isPeriodic == IsPeriodic)
            return;
        IsPeriodic = isPeriodic;
        Count(0);
    }

    /// <summary>Back to what it was after power-on.</summary>
    public void Reset()
    {
        (IsPeriodic, StepNs) = (false, 2);
        Start(0);
    }

    private void Count(uint count)
    {
        (_startNs, _count) = (_loop.NowNs, count);
        ulong lengthNs = (ulong)count * StepNs;
        if (count == 0)
            _event.Cancel();
        else
            _loop.Schedule(IsPeriodic ? Math.Max(lengthNs, PeriodNsMin) : lengthNs, _event);
    }

    private void Expire()
    {
        if (IsPeriodic)
            Count(InitialCount);
        _expired();
    }
}
