using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>Lets the second stage of requesters keep accessed and dirty bits, from the entry of PASID 0 on (SSADE).</summary>
/// <remarks>A unit sets them while devices use the tables, which costs it a locked update each: they are on only while somebody looks.</remarks>
/// <param name="driver">Who drives the unit.</param>
/// <param name="contexts">Its tables of requesters.</param>
internal sealed class DirtyBits(RemappingDriver driver, ScalableContexts contexts)
{
    /// <summary>Whether the unit has them, and its walks snoop, without which it may not set any.</summary>
    public static bool CanBeHad(UnitCapabilities unit) => unit.Extended.SecondStageAccessedDirty && unit.Extended.ScalableWalkCoherency;

    /// <summary>Turns them on or off for a requester; one that is not attached any more has none.</summary>
    public async ValueTask Set(SourceId source, DomainId domain, bool enabled)
    {
        // The entry, then what is cached of it and of what it leads to.
        if (contexts.TrySetDirtyBits(source, enabled))
            await driver.Invalidator.Invalidate(InvalidationRequest.OfPasid(domain, default, isNested: true));
    }
}
