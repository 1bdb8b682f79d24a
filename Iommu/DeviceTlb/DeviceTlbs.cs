using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The device TLBs that a unit reaches, and what it makes of their answers.</summary>
/// <remarks>
/// An invalidation that is not completed is outstanding until the descriptors that could be fetched meanwhile are
/// done; then its time is up. To a requester that has no device TLB the message goes astray: nobody completes it.
/// </remarks>
internal sealed class DeviceTlbs(RegisterFile registers, FaultLog faults)
{
    private readonly Dictionary<SourceId, IDeviceTlb> _connected = [];
    private SourceId _silent;

    /// <summary>Whether an invalidation was sent and not completed.</summary>
    public bool AnyOutstanding { get; private set; }

    private FaultStatus Status => new(new(registers[RegisterOffsets.FaultStatus]));

    private InvalidationQueueErrorRecord Record
    {
        get => new(new(registers[RegisterOffsets.InvalidationQueueErrorRecord]));
        set => registers[RegisterOffsets.InvalidationQueueErrorRecord] = value.Raw.Value;
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
    public void Invalidate(SourceId source, in DeviceTlbInvalidation request)
    {
        DeviceTlbAnswer answer = _connected.TryGetValue(source, out IDeviceTlb? device) ? device.Invalidate(request) : DeviceTlbAnswer.None;
        if (answer.HasFlag(DeviceTlbAnswer.Unexpected))
            ReportUnexpected(source);
        if (answer.HasFlag(DeviceTlbAnswer.Completed) || AnyOutstanding)
            return;
        AnyOutstanding = true;
        _silent = source;
    }

    /// <summary>Sends a response to a device; where there is none it goes astray.</summary>
    public void Respond(SourceId source, in PageGroupResponse response)
    {
        if (_connected.TryGetValue(source, out IDeviceTlb? device))
            device.Respond(response);
    }

    /// <summary>The time of what is outstanding is up (ITE).</summary>
    public void TimeOut()
    {
        if (!AnyOutstanding)
            return;
        AnyOutstanding = false;
        Record = Record with { TimeoutSource = _silent };
        faults.RaiseError(new() { InvalidationTimeout = true });
    }

    // The first one counts until software clears the bit.
    private void ReportUnexpected(SourceId source)
    {
        if (!Status.InvalidationCompletionError)
            Record = Record with { CompletionSource = source };
        faults.RaiseError(new() { InvalidationCompletionError = true });
    }
}
