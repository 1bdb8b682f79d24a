using Dma.Machine;

namespace Dma.Workloads;

/// <summary>Events that plan themselves anew, beside a bare heap of their times; an operation is one event.</summary>
public sealed class EventLoopWorkload : Workload
{
    private const int DelaysMask = 1023;
    private const int DelayMax = 1_000_000;
    private const int Seed = 5;

    private readonly ulong[] _delays = new ulong[DelaysMask + 1];
    private readonly EventLoop _loop = new();
    private readonly EventHeap _heap;
    private readonly Func<bool> _isDone;
    private ulong _count;
    private ulong _end;
    private ulong _sum;
    private ulong _heapCount;

    /// <summary>A loop on which so many events are planned all the time.</summary>
    /// <param name="planned">How many, 1 or more.</param>
    public EventLoopWorkload(int planned)
    {
        Random random = new(Seed);
        foreach (ref ulong delay in _delays.AsSpan())
            delay = (ulong)random.Next(DelayMax);
        _heap = new(planned);
        _isDone = () => _count == _end;
        for (int number = 0; number < planned; number++)
        {
            ulong first = _delays[number & DelaysMask];
            _heap.Add(first, number);
            Plan(number, first);
        }
    }

    /// <inheritdoc/>
    public override ulong Baseline()
    {
        ulong sum = 0;
        for (int done = 0; done < OperationsPerBatch; done++)
        {
            (ulong due, int number) = _heap.First;
            sum += due + (ulong)number;
            _heap.ReplaceFirst(due + _delays[_heapCount++ & DelaysMask]);
        }

        return sum;
    }

    /// <inheritdoc/>
    public override ulong Simulator()
    {
        _sum = 0;
        _end = _count + OperationsPerBatch;
        _ = _loop.RunUntil(_isDone);
        return _sum;
    }

    /// <inheritdoc/>
    public override string? FindDifference()
    {
        const int Batches = 64;
        for (ulong batch = 0; batch < Batches; batch++)
        {
            if (Compare(batch, Baseline(), Simulator()) is { } difference)
                return difference;
        }

        return null;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
    }

    private void Plan(int number, ulong first)
    {
        ScheduledEvent? planned = null;
        planned = new(() =>
        {
            _sum += _loop.NowNs + (ulong)number;
            _loop.Schedule(_delays[_count++ & DelaysMask], planned!);
        });
        _loop.Schedule(first, planned);
    }
}
