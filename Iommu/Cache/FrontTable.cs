using System.Runtime.CompilerServices;

namespace Dma.Iommu;

/// <summary>The whole answer for the pages that one stream of requests uses most, in front of the IOTLB.</summary>
/// <remarks>
/// It is no cache of the architecture: it holds nothing that the IOTLB does not hold, and what is evicted or
/// invalidated there is dropped here. Direct-mapped, sixteen bytes a page, superpages cut into pages of 4 KiB;
/// it begins with nothing and grows where pages push each other out.
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
    private const int EntriesMax = 8192;
    private const ulong FirstGeneration = 1ul << 52;

    // One entry that no tag equals, so that a lookup needs no special case before the first fill.
    private static readonly Slot[] _nothing = new Slot[1];

    private Slot[] _slots = _nothing;
    private ulong _generation = FirstGeneration;
    private int _pushedOut;

    /// <summary>Looks an address up.</summary>
    /// <param name="address">The input address.</param>
    /// <param name="wanted">The right that the access needs.</param>
    /// <param name="target">Where it lands.</param>
    /// <returns><c>false</c> where the table does not know the page or the right is missing.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryFind(ulong address, ulong wanted, out ulong target)
    {
        Slot[] slots = _slots;
        ulong page = address >> 12;
        ref Slot slot = ref slots[(int)page & (slots.Length - 1)];
        target = (slot.Data & Translation.FrameMask) | (address & 0xFFF);
        return slot.Tag == (page | _generation) && (slot.Data & wanted) != 0;
    }

    /// <summary>Takes in a page.</summary>
    /// <param name="page">The page number of the input.</param>
    /// <param name="place">An address in the 4 KiB frame.</param>
    /// <param name="rights">The rights in bits 1:0; other bits do not matter.</param>
    public void Fill(ulong page, ulong place, ulong rights)
    {
        ref Slot slot = ref _slots[(int)page & (_slots.Length - 1)];
        if (_slots.Length == 1 || (PushesOut(slot, page) && ++_pushedOut > _slots.Length / 4 && _slots.Length < EntriesMax))
        {
            Grow();
            slot = ref _slots[(int)page & (_slots.Length - 1)];
        }

        slot.Tag = page | _generation;
        slot.Data = (place & Translation.FrameMask) | (rights & 3);
    }

    /// <summary>Drops one page, if it is here.</summary>
    /// <param name="page">The page number of the input.</param>
    public void Drop(ulong page)
    {
        ref Slot slot = ref _slots[(int)page & (_slots.Length - 1)];
        if (slot.Tag == (page | _generation))
            slot.Tag = 0;
    }

    /// <summary>Drops all pages.</summary>
    public void DropAll()
    {
        if (_slots.Length == 1)
            return;
        _generation += FirstGeneration;
        if (_generation != 0)
            return;

        // All generations were used: begin anew with a table in which none of them is left.
        Array.Clear(_slots);
        _generation = FirstGeneration;
    }

    private bool PushesOut(in Slot slot, ulong page) => slot.Tag != (page | _generation) && slot.Tag >> 52 == _generation >> 52;

    private void Grow()
    {
        Slot[] old = _slots;
        _slots = new Slot[Math.Max(EntriesMin, old.Length * 2)];
        _pushedOut = 0;
        foreach (Slot slot in old)
        {
            if (slot.Tag >> 52 == _generation >> 52)
                _slots[(int)slot.Tag & (_slots.Length - 1)] = slot;
        }
    }

    private struct Slot
    {
        public ulong Tag;
        public ulong Data;
    }
}
