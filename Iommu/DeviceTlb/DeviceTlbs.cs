using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The device TLBs that a unit reaches, and the invalidations that they have not completed.</summary>
/// <remarks>
/// An invalidation is outstanding from the moment when it is sent until its completion comes, or its time is up. In a
/// unit that has no clock the time is up as soon as there is nothing left to do meanwhile. To a requester that has no
/// device TLB the message goes astray: nobody completes it.
/// </remarks>
internal sealed class DeviceTlbs
{
    private readonly RegisterFile _registers;
    private readonly FaultLog _faults;
    private readonly EventLoop? _loop;
    private readonly ulong _timeoutNs;
    private readonly ScheduledEvent _timer;
    private readonly Dictionary<SourceId, IDeviceTlb> _connected = [];

    // By tag. One that is not in use has the sequence number 0.
    private readonly Outstanding[] _outstanding = new Outstanding[DeviceTlbInvalidation.Tags];

    /// <summary>Device TLBs, none of them connected.</summary>
    /// <param name="registers">The registers of the unit.</param>
    /// <param name="faults">Where errors are reported.</param>
    /// <param name="loop">The time in which devices may answer later; null for a unit without a clock.</param>
    /// <param name="timeoutNs">How long they may take, in nanoseconds.</param>
    public DeviceTlbs(RegisterFile registers, FaultLog faults, EventLoop? loop, ulong timeoutNs)
    {
        (_registers, _faults, _loop, _timeoutNs) = (registers, faults, loop, timeoutNs);
        _timer = new(() => Expire(_loop!.NowNs));
    }

    /// <summary>What is done when an invalidation is no longer outstanding: it was completed (true), or its time is up.</summary>
    public Action<bool>? Settled { get; set; }

    /// <summary>How many invalidations were sent.</summary>
    public ulong Sent { get; private set; }

    /// <summary>The number of the oldest one that is outstanding, counted from 1; the highest number there is where none is.</summary>
    public ulong Oldest { get; private set; } = ulong.MaxValue;

    /// <summary>Whether an invalidation was sent and not completed.</summary>
    public bool AnyOutstanding => Oldest != ulong.MaxValue;

    private FaultStatus Status => new(new(_registers[RegisterOffsets.FaultStatus]));

    private InvalidationQueueErrorRecord Record
    {
        get => new(new(_registers[RegisterOffsets.InvalidationQueueErrorRecord]));
        set => _registers[RegisterOffsets.InvalidationQueueErrorRecord] = value.Raw.Value;
    }

    /// <summary>A requester has a device TLB from now on, or no longer.</summary>
    public void Connect(SourceId source, IDeviceTlb? device)
    {
        if (device is null)
            _connected.Remove(source);
        else
            _connected[source] = device;
    }

    /// <summary>Sends an invalidation to a device.</summary>
    /// <returns><c>false</c> where it has to wait: all tags are in use, or the device has as many outstanding as it can take.</returns>
    public bool TryInvalidate(SourceId source, in DeviceTlbInvalidation request)
    {
        if (!TryFindTag(request, out int tag))
            return false;
        ulong now = _loop?.NowNs ?? 0;
        _outstanding[tag] = new(++Sent, source, request.PhysicalFunction, now > ulong.MaxValue - _timeoutNs ? ulong.MaxValue : now + _timeoutNs);
        FindOldest();
        DeviceTlbAnswer answer = _connected.TryGetValue(source, out IDeviceTlb? device)
            ? device.Invalidate(request with { Tag = tag })
            : DeviceTlbAnswer.None;
        if (answer.HasFlag(DeviceTlbAnswer.Unexpected))
            ReportUnexpected(source);
        if (answer.HasFlag(DeviceTlbAnswer.Completed))
            Complete(source, tag);
        return true;
    }

    /// <summary>A completion came from a device.</summary>
    /// <param name="source">Which device.</param>
    /// <param name="tag">The tag in it.</param>
    public void Complete(SourceId source, int tag)
    {
        if ((uint)tag >= (uint)_outstanding.Length || _outstanding[tag].Number == 0 || _outstanding[tag].Source != source)
        {
            ReportUnexpected(source);
            return;
        }

        _outstanding[tag] = default;
        FindOldest();
        Settled?.Invoke(true);
    }

    /// <summary>Sends a response to a device; where there is none it goes astray.</summary>
    public void Respond(SourceId source, in PageGroupResponse response)
    {
        if (_connected.TryGetValue(source, out IDeviceTlb? device))
            device.Respond(response);
    }

    /// <summary>There is nothing left to do meanwhile: without a clock, the time of what is outstanding is up.</summary>
    public void HaveNothingElseToDo()
    {
        if (_loop is null && AnyOutstanding)
            Expire(ulong.MaxValue);
    }

    /// <summary>Forgets what is outstanding: completions that still come belong to nothing.</summary>
    public void Reset()
    {
        Array.Clear(_outstanding);
        FindOldest();
    }

    private bool TryFindTag(in DeviceTlbInvalidation request, out int tag)
    {
        tag = -1;
        int pending = 0;
        for (int at = _outstanding.Length - 1; at >= 0; at--)
        {
            if (_outstanding[at].Number == 0)
                tag = at;
            else if (_outstanding[at].Physical == request.PhysicalFunction)
                pending++;
        }

        // MIP: 0 stands for 32.
        int most = request.MaximumPending == 0 ? DeviceTlbInvalidation.Tags : request.MaximumPending;
        return tag >= 0 && pending < most;
    }

    // ITE: the first device counts until software clears the bit.
    private void Expire(ulong now)
    {
        while (AnyOutstanding)
        {
            int tag = Array.FindIndex(_outstanding, other => other.Number == Oldest);
            if (_outstanding[tag].DueNs > now)
                break;
            if (!Status.InvalidationTimeout)
                Record = Record with { TimeoutSource = _outstanding[tag].Source };
            _outstanding[tag] = default;
            FindOldest();
            _faults.RaiseError(new() { InvalidationTimeout = true });
        }

        Settled?.Invoke(false);
    }

    // ICE: likewise.
    private void ReportUnexpected(SourceId source)
    {
        if (!Status.InvalidationCompletionError)
            Record = Record with { CompletionSource = source };
        _faults.RaiseError(new() { InvalidationCompletionError = true });
    }

    // All have the same time: the oldest one is up first.
    private void FindOldest()
    {
        ulong before = Oldest;
        ulong due = 0;
        Oldest = ulong.MaxValue;
        foreach (ref readonly Outstanding other in _outstanding.AsSpan())
        {
            if (other.Number != 0 && other.Number < Oldest)
                (Oldest, due) = (other.Number, other.DueNs);
        }

        if (_loop is null || Oldest == before)
            return;
        if (AnyOutstanding)
            _loop.Schedule(due - _loop.NowNs, _timer);
        else
            _timer.Cancel();
    }

    private readonly record struct Outstanding(ulong Number, SourceId Source, SourceId Physical, ulong DueNs);
}
