using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Which accessed and dirty bits a walk of second-stage tables keeps; <c>default</c> is none.</summary>
/// <param name="IsKept">Whether entries have such bits: SSADE.</param>
/// <param name="Writes">Whether the page is going to be written.</param>
/// <param name="Needed">The rights that a page must grant all of to be used at all.</param>
/// <param name="Snoops">Whether the walk snoops the processor's caches, without which no entry can be updated.</param>
internal readonly record struct Marking(bool IsKept, bool Writes, ulong Needed, bool Snoops)
{
    /// <summary>How often an entry that others change meanwhile is looked at again before its update counts as failed.</summary>
    public const int AttemptsMax = 8;

    /// <summary>Sets bits of an entry by one atomic operation, if it is still what the walk read.</summary>
    /// <remarks>A walk that is watched changes nothing: it finds out whether it could.</remarks>
    /// <param name="memory">Where the entry is.</param>
    /// <param name="place">Its address.</param>
    /// <param name="entry">What the walk read there.</param>
    /// <param name="bits">What is to be set.</param>
    /// <returns>What became of it.</returns>
    public static MarkOutcome Set<TObserver>(PhysicalMemory memory, ulong place, ulong entry, ulong bits)
        where TObserver : struct, IWalkObserver
    {
        ulong replacement = TObserver.Observes ? entry : entry | bits;
        if (!memory.TryCompareExchange(new(place), entry, replacement, out ulong found))
            return MarkOutcome.Failed;
        return found == entry ? MarkOutcome.Set : MarkOutcome.Changed;
    }
}

/// <summary>What became of the update of an entry.</summary>
internal enum MarkOutcome
{
    /// <summary>Not tried.</summary>
    None = 0,

    /// <summary>The bits are set.</summary>
    Set,

    /// <summary>The entry is another one by now: it has to be read again.</summary>
    Changed,

    /// <summary>The memory cannot be updated.</summary>
    Failed,
}
