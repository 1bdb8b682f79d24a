using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Where root and context table lead the untranslated requests of one requester.</summary>
/// <param name="Kind">How they are served.</param>
/// <param name="Domain">The tag of what is cached of them; 0 where nothing is translated.</param>
/// <param name="Table">The top table of the second stage; 0 where there is none.</param>
/// <param name="Levels">How many levels it has; 0 where there is none.</param>
public readonly record struct RequesterRoute(RouteKind Kind, DomainId Domain = default, PhysicalAddress Table = default, int Levels = 0)
{
    internal static RequesterRoute Of(in ContextInfo context) => context switch
    {
        { Fault: not FaultReason.None } => new(RouteKind.Blocked),
        { Levels: 0 } => new(RouteKind.PassThrough, context.Domain),
        _ => new(RouteKind.SecondStage, context.Domain, new(context.Root), context.Levels),
    };
}
