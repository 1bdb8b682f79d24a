using Dma.Hal.Spec;

namespace Dma.Vmm;

/// <summary>The way of a back end to the memory of its front end: pages that the guest granted, and no others.</summary>
internal interface IFrontEndMemory
{
    /// <summary>Begins to use pieces of pages.</summary>
    /// <param name="segments">The pieces; they were judged, their grants were not.</param>
    /// <param name="isWritten">Whether they shall be written.</param>
    /// <returns><c>null</c>, and nothing used, where one of them is known not to be granted.</returns>
    ValueTask<UrbBuffer?> TryOpen(ReadOnlyMemory<UrbSegment> segments, bool isWritten);
}
