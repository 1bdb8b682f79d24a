namespace Dma.Iommu;

/// <summary>The structures in memory that a walk reads.</summary>
public enum WalkStructure
{
    /// <summary>The request itself, before anything is read.</summary>
    Request = 0,

    /// <summary>A legacy root entry, 128 bits.</summary>
    Root,

    /// <summary>A legacy context entry, 128 bits.</summary>
    Context,

    /// <summary>An entry of a second-stage table, 64 bits.</summary>
    SecondStage,

    /// <summary>A scalable-mode root entry, 128 bits.</summary>
    ScalableRoot,

    /// <summary>A scalable-mode context entry, 256 bits.</summary>
    ScalableContext,

    /// <summary>A PASID directory entry, 64 bits.</summary>
    PasidDirectory,

    /// <summary>A PASID table entry, 512 bits.</summary>
    PasidEntry,

    /// <summary>An entry of a first-stage table, 64 bits.</summary>
    FirstStage,

    /// <summary>An entry of a second-stage table on the way to a first-stage entry, which comes after it; 64 bits.</summary>
    SecondStageOfTable,
}
