using Dma.Machine;

namespace Dma.Hal;

/// <summary>A stretch of memory that a device can reach, at the address that the device must use.</summary>
/// <param name="DeviceAddress">The first byte as the device sees it; contiguous over the whole length.</param>
/// <param name="Length">Bytes, at least 1.</param>
/// <param name="Direction">What the device may do with it.</param>
public readonly record struct DmaMapping(Iova DeviceAddress, int Length, DmaDirection Direction);

/// <summary>The answer to a request for a mapping: the mapping, or why not. <c>default</c> was never issued.</summary>
public readonly record struct DmaMapResult
{
    private DmaMapResult(bool isMapped, DmaMapping mapping, DmaRefusal refusal) =>
        (IsMapped, Mapping, Refusal) = (isMapped, mapping, refusal);

    /// <summary>Whether there is a mapping.</summary>
    public bool IsMapped { get; }

    /// <summary>The mapping, where there is one.</summary>
    public DmaMapping Mapping { get; }

    /// <summary>Why there is none.</summary>
    public DmaRefusal Refusal { get; }

    /// <summary>A mapping.</summary>
    public static DmaMapResult Mapped(DmaMapping mapping) => new(true, mapping, DmaRefusal.None);

    /// <summary>A refusal.</summary>
    public static DmaMapResult Refused(DmaRefusal refusal) => new(false, default, refusal);
}
