using System.Runtime.CompilerServices;

namespace Dma.Workloads;

/// <summary>The baseline of a miss: a four-level walk over a flat buffer, written for speed and for nothing else.</summary>
/// <remarks>
/// It checks what any walk must: that each entry lies in the buffer, that no reserved bit is set, and the rights of
/// all levels. It knows no source, domain, fault, statistic or cache.
/// </remarks>
/// <param name="memory">The tables.</param>
/// <param name="table">Where the top table is.</param>
internal sealed unsafe class FlatWalk(FlatMemory memory, ulong table)
{
    /// <summary>What comes back where there is no translation.</summary>
    public const ulong Fault = ulong.MaxValue;

    private const ulong AddressBits = 0x000F_FFFF_FFFF_F000;

    // Addresses of 46 bits: bits 51:46 of every entry are reserved.
    private const ulong BeyondHost = 0x000F_C000_0000_0000;
    private const ulong Reserved4 = 0x4000_0000_0000_0880 | BeyondHost;
    private const ulong Reserved3And2 = 0x4000_0000_0000_0800 | BeyondHost;
    private const ulong Reserved1G = 0x4000_0000_3FFF_F800 | BeyondHost;
    private const ulong Reserved2M = 0x4000_0000_001F_F800 | BeyondHost;
    private const ulong Reserved1 = 0x4000_0000_0000_0800 | BeyondHost;
    private const ulong PageSize = 0x80;

    private readonly byte* _pointer = memory.Pointer;
    private readonly ulong _lastEntry = (ulong)memory.Length - sizeof(ulong);

    /// <summary>The physical address, or <see cref="Fault"/>.</summary>
    /// <param name="address">The I/O address, below 2^48.</param>
    /// <param name="rights">1 for a read, 2 for a write.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public ulong Translate(ulong address, ulong rights)
    {
        if (address >> 48 != 0 || !Next(table, address, 39, Reserved4, out ulong entry))
            return Fault;
        ulong granted = entry;
        if (!Next(entry & AddressBits, address, 30, Reserved3And2, out entry))
            return Fault;
        granted &= entry;
        if ((entry & PageSize) != 0)
            return Leaf(entry, granted, rights, address, 30, Reserved1G);
        if (!Next(entry & AddressBits, address, 21, Reserved3And2, out entry))
            return Fault;
        granted &= entry;
        if ((entry & PageSize) != 0)
            return Leaf(entry, granted, rights, address, 21, Reserved2M);
        return Next(entry & AddressBits, address, 12, Reserved1, out entry)
            ? Leaf(entry, granted & entry, rights, address, 12, Reserved1)
            : Fault;
    }

    /// <summary>Stores the entry of a page of 4 KiB whose tables exist.</summary>
    /// <param name="address">The I/O address, below 2^48.</param>
    /// <param name="leaf">All 64 bits.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void SetLeaf(ulong address, ulong leaf)
    {
        ulong at = table;
        for (int shift = 39; shift > 12; shift -= 9)
            at = *(ulong*)(_pointer + at + ((address >> shift & 0x1FF) * sizeof(ulong))) & AddressBits;
        *(ulong*)(_pointer + at + ((address >> 12 & 0x1FF) * sizeof(ulong))) = leaf;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool Next(ulong from, ulong address, int shift, ulong reserved, out ulong entry)
    {
        ulong at = from + ((address >> shift & 0x1FF) * sizeof(ulong));
        if (at > _lastEntry)
        {
            entry = 0;
            return false;
        }

        entry = *(ulong*)(_pointer + at);
        return (entry & 3) != 0 && (entry & reserved) == 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Leaf(ulong entry, ulong granted, ulong rights, ulong address, int shift, ulong reserved)
    {
        ulong offset = (1ul << shift) - 1;
        return (entry & reserved) == 0 && (granted & rights) == rights
            ? (entry & AddressBits & ~offset) | (address & offset)
            : Fault;
    }
}
