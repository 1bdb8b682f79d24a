using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Whose requests an interrupt remapping entry is for.</summary>
internal static class InterruptSource
{
    /// <summary>Whether the entry accepts a requester.</summary>
    /// <param name="entry">An entry whose SVT is not reserved.</param>
    /// <param name="source">Who sends.</param>
    public static bool IsAccepted(InterruptRemappingEntry entry, SourceId source) => entry.SourceValidation switch
    {
        SourceValidationType.None => true,
        SourceValidationType.Requester => ((source.Value ^ entry.Source.Value) & ComparedBits(entry.SourceQualifier)) == 0,

        // The first bus is in the high byte of SID, the last one in the low byte.
        _ => source.Bus >= entry.Source.Value >> 8 && source.Bus <= (entry.Source.Value & 0xFF),
    };

    private static int ComparedBits(SourceIdQualifier qualifier) => qualifier switch
    {
        SourceIdQualifier.All => 0xFFFF,
        SourceIdQualifier.IgnoreBit2 => 0xFFFB,
        SourceIdQualifier.IgnoreBits2To1 => 0xFFF9,
        _ => 0xFFF8,
    };
}
