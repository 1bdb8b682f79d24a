using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>A fault as software reads it from a unit.</summary>
/// <param name="Source">Who made the request.</param>
/// <param name="Reason">Why it was refused; may be a number that <see cref="FaultReason"/> has no name for.</param>
/// <param name="Address">The page that it was for; without meaning where <see cref="InterruptIndex"/> is not null.</param>
/// <param name="Write">Whether it was a write.</param>
/// <param name="Record">All that the unit recorded.</param>
public readonly record struct FaultReport(SourceId Source, FaultReason Reason, Iova Address, bool Write, FaultRecord Record)
{
    /// <summary>The index of the interrupt that was refused; null where the request was no interrupt.</summary>
    public int? InterruptIndex =>
        Reason is >= FaultReason.InterruptRequestReserved and <= FaultReason.PostedDescriptorReserved ? Record.InterruptIndex : null;

    internal static FaultReport Of(FaultRecord record) =>
        new(record.Source, record.Reason, record.Address, !record.Type1 && !record.Type2, record);
}
