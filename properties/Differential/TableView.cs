using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>What tables say of one page, entry by entry, without caches.</summary>
internal sealed class TableView(Func<PageAccess, WalkTranscript> explain)
{
    /// <summary>The walk of a page.</summary>
    public WalkTranscript Walk(PageAccess access) => explain(access);

    /// <summary>The context entry of a page's requester, as far as the walk got there.</summary>
    public ContextEntry? Context(PageAccess access) => Walk(access).Steps
        .Where(step => step.Structure == WalkStructure.Context)
        .Select(step => (ContextEntry?)new ContextEntry(new Bits128(step.Raw.Word0, step.Raw.Word1)))
        .FirstOrDefault();

    /// <summary>The PASID table entry of a page's requester, as far as the walk got there.</summary>
    public PasidTableEntry? PasidEntry(PageAccess access) => Walk(access).Steps
        .Where(step => step.Structure == WalkStructure.PasidEntry)
        .Select(step => (PasidTableEntry?)new PasidTableEntry(step.Raw))
        .FirstOrDefault();

    /// <summary>The last entry of the second stage that the walk of a page read, and its level.</summary>
    public (SecondStageEntry Entry, int Level)? Last(PageAccess access) => Walk(access).Steps
        .Where(step => step.Structure == WalkStructure.SecondStage)
        .Select(step => ((SecondStageEntry, int)?)(new SecondStageEntry(new(step.Raw.Word0)), step.Level))
        .LastOrDefault();
}
