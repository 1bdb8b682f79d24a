using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Where the tables above the page tables lead the untranslated requests of one requester that carry no PASID.</summary>
/// <param name="Kind">How they are served.</param>
/// <param name="Domain">The tag of what is cached of them; 0 where nothing is translated.</param>
/// <param name="Table">The top table of the second stage, or of the first one where there is one; 0 where there is none.</param>
/// <param name="Levels">How many levels it has; 0 where there is none.</param>
public readonly record struct RequesterRoute(RouteKind Kind, DomainId Domain = default, PhysicalAddress Table = default, int Levels = 0)
{
    /// <summary>What else the PASID entry says of the first stage: PWSNP, PGSNP, NXE and EAFE, as far as the unit has them; zero where there is none.</summary>
    public PasidTableEntry FirstStage { get; init; }

    internal static RequesterRoute Of(in PasidInfo info)
    {
        if (info.Fault != FaultReason.None)
            return new(RouteKind.Blocked);
        if (info.Type == PasidTranslationType.PassThrough)
            return new(RouteKind.PassThrough, info.Domain);
        if (info.Type == PasidTranslationType.SecondStage)
            return new(RouteKind.SecondStage, info.Domain, new(info.SecondRoot), info.SecondLevels);
        return new(info.Type == PasidTranslationType.Nested ? RouteKind.Nested : RouteKind.FirstStage, info.Domain, new(info.FirstRoot), info.FirstLevels)
        {
            FirstStage = new()
            {
                PageWalkSnoop = info.Has(PasidFlags.WalksSnoop),
                PageSnoop = info.Has(PasidFlags.PagesSnoop),
                NoExecuteEnabled = info.Has(PasidFlags.NoExecute),
                ExtendedAccessedEnabled = info.Has(PasidFlags.ExtendedAccessed),
            },
        };
    }

    internal static RequesterRoute Of(in ContextInfo context) => context switch
    {
        { Fault: not FaultReason.None } => new(RouteKind.Blocked),
        { Levels: 0 } => new(RouteKind.PassThrough, context.Domain),
        _ => new(RouteKind.SecondStage, context.Domain, new(context.Root), context.Levels),
    };
}
