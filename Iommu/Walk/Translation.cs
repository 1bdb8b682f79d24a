using System.Runtime.CompilerServices;
using Dma.Iommu.Spec;

namespace Dma.Iommu;

/// <summary>What a walk found for an address, in one quadword: the form in which caches keep it.</summary>
/// <remarks>
/// <code>
///  63  58 57 56 55 54 53 52 51                              12 11     4 3    2  1 0
/// +------+--+--+--+--+--+---+---------------------------------+--------+------+----+
/// |  0   |N |C |G |X |U |FW | frame, aligned to the page size | fault  | size | WR |
/// +------+--+--+--+--+--+---+---------------------------------+--------+------+----+
/// </code>
/// Read and write stand where second-stage entries have them; where there is no second stage both are granted.
/// What is above the frame belongs to scalable mode: FW, U and X say what all first-stage entries on the way grant,
/// and are set where there is no first stage, so that one test serves all kinds. They are the rights of the tables, not
/// of one request: a cached translation answers every request as the walk would. C says that the page was not
/// written yet: a write has to walk, since it has a dirty bit to set. N is the SNP bit of a second-stage page. A fault leaves frame and rights zero.
/// </remarks>
/// <param name="Raw">The quadword.</param>
internal readonly record struct Translation(ulong Raw)
{
    /// <summary>Bit 0: reads may pass.</summary>
    public const ulong Read = 1;

    /// <summary>Bit 1: writes may pass.</summary>
    public const ulong Write = 2;

    /// <summary>Bit 52, FW: the first stage permits writes.</summary>
    public const ulong FirstWrite = 1ul << 52;

    /// <summary>Bit 53, U: the first stage permits user requests.</summary>
    public const ulong User = 1ul << 53;

    /// <summary>Bit 54, X: the first stage permits execution.</summary>
    public const ulong Execute = 1ul << 54;

    /// <summary>Bit 55, G: the page is the same for all PASIDs of the domain.</summary>
    public const ulong Global = 1ul << 55;

    /// <summary>Bit 56, C: a dirty bit is not set yet.</summary>
    public const ulong Clean = 1ul << 56;

    /// <summary>Bit 57, N: the second-stage entry of the page forces accesses to snoop.</summary>
    public const ulong Snooped = 1ul << 57;

    /// <summary>What the first stage grants where there is none.</summary>
    public const ulong FirstStageRights = FirstWrite | User | Execute;

    /// <summary>The bits of a frame address.</summary>
    public const ulong FrameMask = 0x000F_FFFF_FFFF_F000;

    // SNP in a second-stage entry.
    private const ulong EntrySnoop = 1ul << 11;

    /// <summary>A page.</summary>
    /// <param name="frame">Its address, aligned to its size.</param>
    /// <param name="level">1 for 4 KiB, 2 for 2 MiB, 3 for 1 GiB.</param>
    /// <param name="rights">Bits 1:0, the rights that all entries on the way grant.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Translation Page(ulong frame, int level, ulong rights) => new(frame | ((ulong)(level - 1) << 2) | (rights & 3));

    /// <summary>A page as its second-stage entry names it.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="level">1 for 4 KiB, 2 for 2 MiB, 3 for 1 GiB.</param>
    /// <param name="rights">Bits 1:0, the rights that all entries on the way grant.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Translation OfEntry(ulong entry, int level, ulong rights) =>
        new(Page(entry & FrameMask, level, rights).Raw | ((entry & EntrySnoop) * (Snooped / EntrySnoop)));

    /// <summary>No page.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Translation None(WalkFault fault) => new((ulong)fault << 4);

    /// <summary>No page, in scalable mode, where each way to end has a code of its own.</summary>
    public static Translation None(FaultReason reason) => new((ulong)reason << 4);

    /// <summary>The same page with more of what scalable mode knows of it.</summary>
    /// <param name="bits">Bits 57:52.</param>
    public Translation With(ulong bits) => new(Raw | bits);

    /// <summary>Why there is no page, in scalable mode.</summary>
    public FaultReason Reason => (FaultReason)((Raw >> 4) & 0xFF);

    /// <summary>Why there is no page, in legacy mode.</summary>
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
