using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <content>What a VMM needs that lends this unit to a guest, while another one translates in its place.</content>
public sealed partial class RemappingUnit
{
    /// <summary>Where the tables lead the untranslated requests of a requester, as they are in memory now and past all caches.</summary>
    public RequesterRoute RouteOf(SourceId source) => _translator.RouteOf(source);

    /// <summary>Somebody begins to follow what was invalidated: until it is followed, no wait of the queue completes that comes later.</summary>
    /// <returns>A number for <see cref="EndFollowing"/>.</returns>
    public ulong BeginFollowing() => _queue.BeginFollowing();

    /// <summary>All up to a number is followed: waits that have nothing else to wait for complete.</summary>
    public void EndFollowing(ulong number) => _queue.EndFollowing(number);

    /// <summary>A request was blocked elsewhere, in place of this unit, which records what it would have recorded.</summary>
    /// <param name="source">The requester.</param>
    /// <param name="address">The address that it put on the bus.</param>
    /// <param name="write">Whether it wanted to write.</param>
    /// <param name="otherwise">The reason where the tables let the request pass by now.</param>
    /// <returns>Whether it is a fault of this unit: not while it translates nothing, nor in abort mode.</returns>
    public bool ReportBlocked(SourceId source, Iova address, bool write, FaultReason otherwise)
    {
        WalkTranscript story = Explain(source, address, write);
        if (!_translator.IsEnabled || story.Aborted)
            return false;
        FaultReason reason = story.Fault != FaultReason.None ? story.Fault : otherwise;
        _faults.Report(new(source, reason, address, write, default), suppressed: !story.Reported);
        return true;
    }
}
