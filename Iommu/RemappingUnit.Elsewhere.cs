using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <content>What a VMM needs that lends this unit to a guest, while another one translates in its place.</content>
public sealed partial class RemappingUnit
{
    /// <summary>Where the tables lead the untranslated requests of a requester that carry no PASID, as they are in memory now and past all caches.</summary>
    public RequesterRoute RouteOf(SourceId source) => _translator.FromMemory.RouteOf(source);

    /// <summary>Somebody begins to follow what was invalidated: until it is followed, no wait of the queue completes that comes later.</summary>
    /// <returns>A number for <see cref="EndFollowing"/>.</returns>
    public ulong BeginFollowing() => _queue.BeginFollowing();

    /// <summary>All up to a number is followed: waits that have nothing else to wait for complete.</summary>
    public void EndFollowing(ulong number) => _queue.EndFollowing(number);

    /// <summary>A request was blocked elsewhere, in place of this unit, which records what it would have recorded.</summary>
    /// <param name="story">What this unit's tables say of the request, as <see cref="Explain"/> tells it now.</param>
    /// <param name="reason">Why it was blocked.</param>
    /// <returns>Whether it is a fault of this unit: not while it translates nothing, nor in abort mode.</returns>
    public bool ReportBlocked(WalkTranscript story, FaultReason reason)
    {
        if (!_translator.IsEnabled || story.Aborted)
            return false;
        _faults.Report(new(story.Source, reason, story.Address, story.Write, default), suppressed: !story.Reported);
        return true;
    }
}
