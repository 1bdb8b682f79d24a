namespace Dma.Iommu.Spec;

/// <summary>What an invalidation descriptor asks for (VT-d, invalidation descriptors).</summary>
public enum InvalidationDescriptorType
{
    /// <summary>Invalidate the context cache.</summary>
    ContextCache = 1,

    /// <summary>Invalidate the IOTLB.</summary>
    Iotlb = 2,

    /// <summary>Invalidate a device TLB.</summary>
    DeviceTlb = 3,

    /// <summary>Invalidate the interrupt entry cache.</summary>
    InterruptEntryCache = 4,

    /// <summary>Wait for what came before, and tell software.</summary>
    Wait = 5,

    /// <summary>Invalidate the IOTLB by PASID.</summary>
    PasidIotlb = 6,

    /// <summary>Invalidate the PASID cache.</summary>
    PasidCache = 7,

    /// <summary>Invalidate a device TLB by PASID.</summary>
    PasidDeviceTlb = 8,

    /// <summary>Answer a group of page requests.</summary>
    PageGroupResponse = 9,
}
