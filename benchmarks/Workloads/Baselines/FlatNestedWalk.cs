using System.Runtime.CompilerServices;

namespace Dma.Workloads;

/// <summary>The baseline of a nested miss: first-stage tables of four levels, each reached by a flat walk of the second stage.</summary>
/// <remarks>It checks what any walk must, as <see cref="FlatWalk"/> does, and knows nothing else. Accessed bits are set before.</remarks>
/// <param name="memory">The tables of both stages.</param>
/// <param name="second">The second stage.</param>
/// <param name="table">Where the second stage sees the top table of the first one.</param>
internal sealed unsafe class FlatNestedWalk(FlatMemory memory, FlatWalk second, ulong table)
{
    private const ulong AddressBits = 0x000F_FFFF_FFFF_F000;

    // Addresses of 46 bits; without PS but at the last level, where bit 7 is PAT. XD has a meaning.
    private const ulong Reserved = 0x000F_C000_0000_0000;
    private const ulong PageSize = 0x80;
    private const ulong PresentAccessed = 0x21;
    private const ulong User = 4;

    private readonly byte* _pointer = memory.Pointer;
    private readonly ulong _lastEntry = (ulong)memory.Length - sizeof(ulong);

    /// <summary>The physical address for a user's read, or <see cref="FlatWalk.Fault"/>.</summary>
    /// <param name="address">The I/O address, below 2^47.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public ulong Translate(ulong address)
    {
        if (address >> 47 != 0
            || !Next(table, address, 39, Reserved | PageSize, out ulong entry))
            return FlatWalk.Fault;
        ulong granted = entry;
        if (!Next(entry & AddressBits, address, 30, Reserved | PageSize, out entry))
            return FlatWalk.Fault;
        granted &= entry;
        if (!Next(entry & AddressBits, address, 21, Reserved | PageSize, out entry))
            return FlatWalk.Fault;
        granted &= entry;
        return Next(entry & AddressBits, address, 12, Reserved, out entry) && (granted & entry & User) != 0
            ? second.Translate((entry & AddressBits) | (address & 0xFFF), 1)
            : FlatWalk.Fault;
    }

    // Pages of 4 KiB only: PS at a higher level is a fault here.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool Next(ulong from, ulong address, int shift, ulong reserved, out ulong entry)
    {
        entry = 0;
        ulong at = second.Translate(from + ((address >> shift & 0x1FF) * sizeof(ulong)), 1);
        if (at > _lastEntry)
            return false;
        entry = *(ulong*)(_pointer + at);
        return (entry & PresentAccessed) == PresentAccessed && (entry & reserved) == 0;
    }
}
