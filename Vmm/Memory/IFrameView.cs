using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A second translation of guest-physical pages, beside EPT and beside those of devices: who has one is told when a page loses its frame.</summary>
internal interface IFrameView
{
    /// <summary>Forgets where a page is, entry and cached translations; when it returns, nothing is reached through the old one.</summary>
    void Invalidate(GuestPhysicalAddress page);

    /// <summary>Finds the pages that were written through it since the last time, and begins anew.</summary>
    /// <param name="pages">Gets their numbers.</param>
    void CollectDirty(SortedSet<ulong> pages);
}
