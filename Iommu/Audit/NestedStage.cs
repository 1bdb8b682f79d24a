using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The second stage below a first one: one walk for each address.</summary>
/// <param name="memory">Where the tables are.</param>
/// <param name="tables">The tables of both stages.</param>
/// <param name="reserved">Reserved bits of second-stage entries, by level and PS.</param>
/// <param name="limit">The first address that is not translated.</param>
internal sealed class NestedStage(PhysicalMemory memory, AuditedTables tables, ulong[] reserved, ulong limit)
{
    private const ulong FrameMask = 0x000F_FFFF_FFFF_F000;

    /// <summary>What became of an address.</summary>
    /// <param name="Target">Where it leads.</param>
    /// <param name="Shift">The size of the page, or of the hole, as a power of two.</param>
    /// <param name="Rights">What the second stage grants.</param>
    /// <param name="Fault">Why it leads nowhere.</param>
    public readonly record struct Answer(ulong Target, int Shift, byte Rights, FaultReason Fault);

    public Answer Translate(ulong address)
    {
        if (address >= limit)
            return new(0, 12, 0, FaultReason.ScalableAddressBeyondWidth);
        ulong table = tables.SecondRoot.Value;
        byte rights = (byte)(MappingRights.Read | MappingRights.Write);
        for (int level = tables.SecondLevels; ; level--)
        {
            int shift = 12 + (9 * (level - 1));
            if (!memory.TryRead(new(table + ((address >> shift) & 0x1FF) * 8), out ulong entry))
            {
                return new(0, shift, 0, level == tables.SecondLevels
                    ? FaultReason.ScalableSecondStageTopAccess
                    : FaultReason.ScalableSecondStageAccess);
            }

            if (!SecondStageFormat.IsPresent(entry))
                return new(0, shift, 0, FaultReason.ScalableSecondStageNotPresent);
            if ((entry & reserved[(2 * level) + (int)((entry >> 7) & 1)]) != 0)
                return new(0, shift, 0, FaultReason.ScalableSecondStageReserved);
            rights &= SecondStageFormat.Rights(entry);
            if (level == 1 || (entry & 0x80) != 0)
            {
                ulong offset = (1ul << shift) - 1;
                return new((entry & FrameMask & ~offset) | (address & offset), shift, rights, FaultReason.None);
            }

            table = entry & FrameMask;
        }
    }
}
