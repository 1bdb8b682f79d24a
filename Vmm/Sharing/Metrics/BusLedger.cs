using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>Keeps account of a shared bus: who had it for how long, in all and microframe by microframe.</summary>
/// <remarks>Of the microframes, the last ones are kept; nothing is allocated as they go by.</remarks>
public sealed class BusLedger : IBusShareObserver
{
    private readonly int _setCount;
    private readonly uint[] _async;
    private readonly uint[] _periodic;
    private readonly ulong[] _numbers;
    private readonly ulong[] _total;
    private readonly ulong[] _visits;
    private readonly ServiceGap[] _gaps;
    private readonly ulong _originNs;
    private ulong _periodicMaxNs;

    /// <summary>An empty account.</summary>
    /// <param name="setCount">Register sets.</param>
    /// <param name="originNs">When a microframe of the bus began; those before and after follow from it.</param>
    /// <param name="microframes">How many microframes are kept, 1 at least.</param>
    public BusLedger(int setCount, ulong originNs = 0, int microframes = 1024)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(microframes, 1);
        (_setCount, _originNs) = (setCount, originNs % WireTime.MicroframeNs);
        (_async, _periodic) = (new uint[setCount * microframes], new uint[setCount * microframes]);
        (_numbers, _total, _visits) = (new ulong[microframes], new ulong[setCount], new ulong[setCount]);
        _gaps = [.. Enumerable.Range(0, setCount).Select(_ => new ServiceGap())];
        Array.Fill(_numbers, ulong.MaxValue);
    }

    /// <summary>Who sees the same.</summary>
    public IBusShareObserver? Next { get; init; }

    /// <summary>The number of the last microframe in which the bus was used.</summary>
    public ulong Last { get; private set; }

    /// <summary>How many microframes are kept.</summary>
    public int Kept => _numbers.Length;

    /// <summary>The largest part of the 100 microseconds for periodic work that all sets together used in one microframe; more than 1 is over-allocation.</summary>
    public double PeriodicLoadMax => (double)_periodicMaxNs / SharedUsbController.PeriodicNsMax;

    /// <summary>Bus time of a set, in nanoseconds.</summary>
    public ulong TimeOf(int set) => _total[set];

    /// <summary>Transactions of a set, those of one visit counted as one.</summary>
    public ulong VisitsOf(int set) => _visits[set];

    /// <summary>How long a set waited for the bus; whoever knows when it has work says so there.</summary>
    public ServiceGap GapOf(int set) => _gaps[set];

    /// <summary>Jain's index of the bus time of all sets.</summary>
    public double Jain() => Fairness.Jain([.. _total.Select(time => (double)time)]);

    /// <summary>Bus time of a set in a microframe that is still kept, in nanoseconds: periodic and asynchronous.</summary>
    /// <param name="microframe">Its number.</param>
    /// <param name="set">The register set.</param>
    public (uint Periodic, uint Async) In(ulong microframe, int set)
    {
        int at = (int)(microframe % (ulong)_numbers.Length);
        return _numbers[at] == microframe ? (_periodic[(at * _setCount) + set], _async[(at * _setCount) + set]) : default;
    }

    /// <summary>The number of the microframe in which a time lies.</summary>
    public ulong MicroframeOf(ulong nowNs) => (nowNs - _originNs) / WireTime.MicroframeNs;

    /// <summary>When a microframe begins.</summary>
    public ulong StartOf(ulong microframe) => _originNs + (microframe * WireTime.MicroframeNs);

    /// <inheritdoc/>
    public void BusUsed(in BusUse use)
    {
        ulong microframe = MicroframeOf(use.StartNs);
        int at = (int)(microframe % (ulong)_numbers.Length) * _setCount;
        if (_numbers[at / _setCount] != microframe)
        {
            _numbers[at / _setCount] = microframe;
            _async.AsSpan(at, _setCount).Clear();
            _periodic.AsSpan(at, _setCount).Clear();
        }

        (use.IsPeriodic ? _periodic : _async)[at + use.Set] += use.WireNs;
        if (use.IsPeriodic)
        {
            ulong load = 0;
            foreach (uint time in _periodic.AsSpan(at, _setCount))
                load += time;
            _periodicMaxNs = Math.Max(_periodicMaxNs, load);
        }

        Last = microframe;
        _total[use.Set] += use.WireNs;
        _visits[use.Set]++;
        _gaps[use.Set].Served(use.StartNs, use.StartNs + use.WireNs);
        Next?.BusUsed(use);
    }

    /// <inheritdoc/>
    public void TokenHandled(in TokenUse use) => Next?.TokenHandled(use);

    /// <inheritdoc/>
    public void AddressChanged(in AddressChange change) => Next?.AddressChanged(change);

    /// <inheritdoc/>
    public void AddressZeroMoved(int owner, ulong nowNs) => Next?.AddressZeroMoved(owner, nowNs);
}
