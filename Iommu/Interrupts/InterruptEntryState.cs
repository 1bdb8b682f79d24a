namespace Dma.Iommu;

/// <summary>What an interrupt remapping entry is worth, whoever sends the request.</summary>
internal enum InterruptEntryState
{
    /// <summary>It can be used.</summary>
    Sound = 0,

    /// <summary>P is clear.</summary>
    NotPresent,

    /// <summary>A reserved bit is set, or a field has a reserved value that says how the entry is to be read.</summary>
    Reserved,

    /// <summary>It asks for a delivery that there is not.</summary>
    Programming,
}
