using System.Runtime.CompilerServices;

namespace Dma.Iommu;

/// <summary>What a walk found for an address, in one quadword: the form in which caches keep it.</summary>
/// <remarks>
/// <code>
///  63     52 51                              12 11     4 3    2  1 0
/// +---------+----------------------------------+--------+------+----+
/// |    0    | frame, aligned to the page size  | fault  | size | WR |
/// +---------+----------------------------------+--------+------+----+
/// </code>
/// Read and write stand where second-stage entries have them. A fault leaves frame and rights zero.
/// </remarks>
/// <param name="Raw">The quadword.</param>
internal readonly record struct Translation(ulong Raw)
{
    /// <summary>Bit 0: reads may pass.</summary>
    public const ulong Read = 1;

    /// <summary>Bit 1: writes may pass.</summary>
    public const ulong Write = 2;

    /// <summary>The bits of a frame address.</summary>
    public const ulong FrameMask = 0x000F_FFFF_FFFF_F000;

    /// <summary>A page.</summary>
    /// <param name="frame">Its address, aligned to its size.</param>
    /// <param name="level">1 for 4 KiB, 2 for 2 MiB, 3 for 1 GiB.</param>
    /// <param name="rights">Bits 1:0, the rights that all entries on the way grant.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Translation Page(ulong frame, int level, ulong rights) => new(frame | ((ulong)(level - 1) << 2) | (rights & 3));

    /// <summary>No page.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Translation None(WalkFault fault) => new((ulong)fault << 4);

    /// <summary>Why there is no page.</summary>
    public WalkFault Fault => (WalkFault)((Raw >> 4) & 0xFF);

    /// <summary>Whether there is none.</summary>
    public bool Failed => (Raw & 0xFF0) != 0;

    /// <summary>The level of the entry that maps the page: 1, 2 or 3.</summary>
    public int Level => (int)((Raw >> 2) & 3) + 1;

    /// <summary>How many low bits of an address stay as they are: 12, 21 or 30.</summary>
    public int Shift => 12 + (9 * (Level - 1));

    /// <summary>Whether any of the rights asked for is granted.</summary>
    public bool Grants(ulong anyOf) => (Raw & anyOf) != 0;

    /// <summary>Where an address lands.</summary>
    public ulong Target(ulong address)
    {
        ulong offset = (1ul << Shift) - 1;
        return (Raw & FrameMask) | (address & offset);
    }
}
