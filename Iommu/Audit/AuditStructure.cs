namespace Dma.Iommu;

/// <summary>The structures in memory that an audit reads.</summary>
public enum AuditStructure
{
    /// <summary>The root table.</summary>
    Root = 1,

    /// <summary>A context table.</summary>
    Context,

    /// <summary>A PASID directory.</summary>
    PasidDirectory,

    /// <summary>A PASID table.</summary>
    PasidTable,

    /// <summary>A table of the first stage.</summary>
    FirstStage,

    /// <summary>A table of the second stage.</summary>
    SecondStage,

    /// <summary>The interrupt remapping table.</summary>
    InterruptTable,

    /// <summary>A posted-interrupt descriptor.</summary>
    PostedDescriptor,
}
