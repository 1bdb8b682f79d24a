using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>IQERCD: what went wrong in the queue (VT-d, invalidation queue error record register).</summary>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct InvalidationQueueErrorRecord(Bits64 Raw)
{
    /// <summary>Bits 3:0, IQEI: why the queue stopped.</summary>
    public InvalidationQueueError Error
    {
        get => (InvalidationQueueError)Raw.Bits(3, 0);
        init => Raw = Raw.With(3, 0, (ulong)value);
    }

    /// <summary>Bits 47:32, ITESID: the device whose invalidation timed out.</summary>
    public SourceId TimeoutSource
    {
        get => new((ushort)Raw.Bits(47, 32));
        init => Raw = Raw.With(47, 32, value.Value);
    }

    /// <summary>Bits 63:48, ICESID: the device that completed unexpectedly.</summary>
    public SourceId CompletionSource
    {
        get => new((ushort)Raw.Bits(63, 48));
        init => Raw = Raw.With(63, 48, value.Value);
    }
}
