using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>What software has to invalidate after it changed an entry (VT-d, guidance to software for invalidations).</summary>
internal static class OwedInvalidations
{
    /// <summary>The commands, in the order in which they must be done.</summary>
    /// <param name="change">The write.</param>
    /// <param name="answer">What is stale.</param>
    /// <param name="source">The requester that uses it.</param>
    /// <param name="address">The address that it uses.</param>
    /// <param name="isContextDone">Whether the context cache was invalidated after the write; then that is not owed any more.</param>
    /// <param name="profile">The unit.</param>
    public static IReadOnlyList<OwedInvalidation> After(
        TableWrite change, CachedAnswer answer, SourceId source, ulong address, bool isContextDone, HardwareProfile profile)
    {
        IEnumerable<OwedInvalidation> contexts = isContextDone ? [] : OfContexts(change, answer, source);
        return change.Structure switch
        {
            WalkStructure.Request => [.. contexts, OwedInvalidation.OfTranslations(IotlbGranularity.Global)],
            WalkStructure.Root => [.. contexts, OwedInvalidation.OfTranslations(IotlbGranularity.Global)],
            WalkStructure.Context => [.. contexts, OwedInvalidation.OfTranslations(IotlbGranularity.Domain, DomainOf(change, answer))],
            _ => [OfPages(change, answer.Domain, address, profile)],
        };
    }

    private static IEnumerable<OwedInvalidation> OfContexts(TableWrite change, CachedAnswer answer, SourceId source) => change.Structure switch
    {
        // What was not there is tagged with domain 0 where it is cached at all.
        WalkStructure.Context => [OwedInvalidation.OfContext(ContextGranularity.Device, answer.Domain, source)],
        WalkStructure.Root or WalkStructure.Request => [OwedInvalidation.OfContext(ContextGranularity.Global)],
        _ => [],
    };

    // The domain whose translations go with a context entry: the old one, or the new one where there was none.
    private static DomainId DomainOf(TableWrite change, CachedAnswer answer)
    {
        ContextEntry before = new(new(change.Before.Word0, change.Before.Word1));
        ContextEntry after = new(new(change.After.Word0, change.After.Word1));
        return before.Present || !after.Present ? answer.Domain : after.DomainId;
    }

    // An entry of level n translates 2^(9(n - 1)) pages.
    private static OwedInvalidation OfPages(TableWrite change, DomainId domain, ulong address, HardwareProfile profile)
    {
        int mask = 9 * (change.Level - 1);
        if (!profile.Capabilities.PageSelectiveInvalidation || mask > profile.Capabilities.MaximumAddressMask)
            return OwedInvalidation.OfTranslations(IotlbGranularity.Domain, domain);
        Iova first = new(address >> (12 + mask) << (12 + mask));
        bool leafOnly = !IsTable(change.Before.Word0, change.Level) && !IsTable(change.After.Word0, change.Level);
        return OwedInvalidation.OfPages(domain, first, mask, leafOnly);
    }

    // Whether a second-stage entry points to a table.
    private static bool IsTable(ulong raw, int level)
    {
        SecondStageEntry entry = new(new(raw));
        return level > 1 && (entry.Read || entry.Write) && !entry.PageSize;
    }
}
