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
}
