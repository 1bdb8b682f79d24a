using System.Runtime.CompilerServices;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The whole answer for the pages that one stream of requests uses most, in front of the IOTLB.</summary>
/// <remarks>
/// It is no cache of the architecture: it holds nothing that the IOTLB does not hold, and what is evicted or
/// invalidated there is dropped here. Two direct-mapped tables, sixteen bytes a page: one for pages of 4 KiB, one for
/// those of 2 MiB and the pieces of those of 1 GiB. They begin with nothing and grow where pages push each other out.
/// <code>
///   tag  63      52 51                       0      data  51             12    1 0
///       +----------+--------------------------+          +-----------------+--+----+
///       |generation| page number of the input |          | frame           |  | WR |
///       +----------+--------------------------+          +-----------------+--+----+
/// </code>
/// </remarks>
internal sealed class FrontTable
{
    private const int EntriesMin = 64;
    private const int SmallMax = 8192;
    private const int LargeMax = 1024;
    private const int SmallShift = 12;
    private const int LargeShift = 21;
    private const ulong FirstGeneration = 1ul << 52;

    // One entry that no tag equals, so that a lookup needs no special case before the first fill.
    private static readonly Slot[] _nothing = new Slot[1];

    private Slot[] _small = _nothing;
    private Slot[] _large = _nothing;
    private ulong _generation = FirstGeneration;
    private int _smallPushedOut;
    private int _largePushedOut;

    /// <summary>Looks an address up.</summary>
    /// <param name="address">The input address.</param>
    /// <param name="wanted">The right that the access needs.</param>
    /// <param name="target">Where it lands.</param>
    /// <returns><c>false</c> where the table does not know the page or the right is missing.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryFind(ulong address, ulong wanted, out ulong target)
    {
        ulong page = address >> SmallShift;
        ref Slot small = ref Place(_small, page);
        target = (small.Data & Translation.FrameMask) | (address & ((1ul << SmallShift) - 1));
        if (small.Tag == (page | _generation) && (small.Data & wanted) != 0)
            return true;
        if (_large.Length == 1)
            return false;

        page = address >> LargeShift;
        ref Slot large = ref Place(_large, page);
        target = (large.Data & Translation.FrameMask) | (address & ((1ul << LargeShift) - 1));
        return large.Tag == (page | _generation) && (large.Data & wanted) != 0;
    }

    /// <summary>Takes in the page of an address.</summary>
    /// <param name="address">The input address.</param>
    /// <param name="place">Where it lands.</param>
    /// <param name="shift">The size of the page: 12, 21 or 30.</param>
    /// <param name="rights">The rights in bits 1:0; other bits do not matter.</param>
    public void Fill(ulong address, ulong place, int shift, ulong rights)
    {
        // A large piece that holds interrupt addresses on either side is not whole: each address of it is looked at.
        if (shift != SmallShift && (HoldsInterrupts(address) || HoldsInterrupts(place)))
            return;
        if (shift == SmallShift)
            Fill(ref _small, ref _smallPushedOut, SmallMax, address >> SmallShift, (place & Translation.FrameMask) | (rights & 3));
        else
            Fill(ref _large, ref _largePushedOut, LargeMax, address >> LargeShift, (place >> LargeShift << LargeShift) | (rights & 3));
    }

    /// <summary>Drops one page, if it is here.</summary>
    /// <param name="page">The page number of the input, at the level; bits that all input addresses repeat do not matter.</param>
    /// <param name="level">The level of the entry that maps it: 1, 2 or 3.</param>
    public void Drop(ulong page, int level)
    {
        // A page of 1 GiB has many pieces: everything goes.
        if (level > 2)
        {
            DropAll();
            return;
        }

        ref Slot slot = ref Place(level == 1 ? _small : _large, page);
        if (((slot.Tag ^ page) & IotlbTag.PageMask) == 0)
            slot.Tag = 0;
    }

    /// <summary>Drops all pages.</summary>
    public void DropAll()
    {
        if (_small.Length + _large.Length == 2)
            return;
        _generation += FirstGeneration;
        if (_generation != 0)
            return;

        // All generations were used: begin anew with tables in which none of them is left.
        Array.Clear(_small);
        Array.Clear(_large);
        _generation = FirstGeneration;
    }

    private static bool HoldsInterrupts(ulong address) => address >> LargeShift == InterruptRange.First >> LargeShift;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ref Slot Place(Slot[] slots, ulong page) => ref slots[(int)page & (slots.Length - 1)];

    private void Fill(ref Slot[] slots, ref int pushedOut, int entriesMax, ulong page, ulong data)
    {
        ref Slot slot = ref Place(slots, page);
        if (slots.Length == 1 || (PushesOut(slot, page) && ++pushedOut > slots.Length / 4 && slots.Length < entriesMax))
        {
            slots = Grown(slots);
            pushedOut = 0;
            slot = ref Place(slots, page);
        }

        slot.Tag = page | _generation;
        slot.Data = data;
    }

    private bool PushesOut(in Slot slot, ulong page) => slot.Tag != (page | _generation) && slot.Tag >> 52 == _generation >> 52;

    private Slot[] Grown(Slot[] old)
    {
        Slot[] slots = new Slot[Math.Max(EntriesMin, old.Length * 2)];
        foreach (Slot slot in old)
        {
            if (slot.Tag >> 52 == _generation >> 52)
                Place(slots, slot.Tag) = slot;
        }

        return slots;
    }

    private struct Slot
    {
        public ulong Tag;
        public ulong Data;
    }
}
