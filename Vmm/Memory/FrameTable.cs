using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Who owns each frame of host memory, and how often each is pinned for a device.</summary>
/// <remarks>
/// Three levels: a gigabyte with one owner is one element, so that terabytes cost kilobytes; a gigabyte that is
/// divided has 512 blocks of 2 MiB, and only a block that is divided, or has pins, has an element for each frame.
/// Allocation takes the lowest address that fits, from the most divided level that can serve it. A frame that
/// comes free is cleared first: no owner ever finds bytes of the one before.
/// </remarks>
public sealed class FrameTable
{
    private const int PerLevel = 512;

    private readonly PhysicalMemory _memory;
    private readonly Block[]?[] _divided;
    private readonly FrameOwner[] _whole;
    private readonly int[] _freeBlocks;
    private readonly SortedSet<ulong> _freeGigabytes = [];
    private readonly SortedSet<ulong> _gigabytesWithFreeBlocks = [];
    private readonly SortedSet<ulong> _blocksWithFreeFrames = [];
    private readonly Dictionary<FrameOwner, ulong> _counts = [];

    // Zeros: a guest that maps a page and unmaps it, again and again, needs the same ones each time.
    private int[]? _spareCounts;

    /// <summary>All frames of a memory, free.</summary>
    /// <param name="memory">The memory; extents that are added to it later are not managed here.</param>
    public FrameTable(PhysicalMemory memory)
    {
        _memory = memory;
        ulong end = memory.Extents.Select(extent => extent.Start.Value + extent.Length).DefaultIfEmpty().Max();
        int gigabytes = checked((int)((end + FrameSize.Page1G.Bytes - 1) >> (int)FrameSize.Page1G));
        (_divided, _whole, _freeBlocks) = (new Block[gigabytes][], new FrameOwner[gigabytes], new int[gigabytes]);
        foreach ((PhysicalAddress start, ulong length) in memory.Extents)
            Assign(start, length, FrameOwner.None, FrameOwner.Free);
    }

    /// <summary>Pins of all frames together.</summary>
    public ulong Pins { get; private set; }

    /// <summary>What happens before a table in one of the frames is written; an exception from there stops the software before it.</summary>
    public Action? BeforeTableWrite { get; init; }

    /// <summary>The memory whose frames these are.</summary>
    public PhysicalMemory Memory => _memory;

    /// <summary>How many frames of 4 KiB somebody owns.</summary>
    public ulong CountOf(FrameOwner owner) => _counts.GetValueOrDefault(owner);

    /// <summary>The owner of the frame that holds an address; <see cref="FrameOwner.None"/> where no memory is.</summary>
    public FrameOwner OwnerOf(PhysicalAddress address)
    {
        ulong gigabyte = address.Value >> (int)FrameSize.Page1G;
        if (gigabyte >= (ulong)_whole.Length)
            return FrameOwner.None;
        if (_divided[gigabyte] is not { } blocks)
            return _whole[gigabyte];
        ref readonly Block block = ref blocks[BlockIndex(address.Value)];
        return block.Owners is { } owners ? owners[FrameIndex(address.Value)] : block.Owner;
    }

    /// <summary>How often the frame that holds an address is pinned.</summary>
    public int PinsOf(PhysicalAddress address)
    {
        ulong gigabyte = address.Value >> (int)FrameSize.Page1G;
        return gigabyte < (ulong)_divided.Length && _divided[gigabyte]?[BlockIndex(address.Value)].Pins is { } pins
            ? pins[FrameIndex(address.Value)]
            : 0;
    }

    /// <summary>Gives a free block to somebody; it reads as zeros.</summary>
    /// <param name="owner">The new owner.</param>
    /// <param name="size">Size and alignment.</param>
    /// <param name="address">The first byte.</param>
    /// <returns><c>false</c>, and nothing changed, where no such block is free.</returns>
    public bool TryAllocate(FrameOwner owner, FrameSize size, out PhysicalAddress address)
    {
        address = default;
        if (FindFree(size) is not { } found)
            return false;
        address = new(found);
        AssignBlock(found, size, FrameOwner.Free, owner);
        return true;
    }

    /// <summary>Gives free frames at a certain place to somebody.</summary>
    /// <param name="owner">The new owner.</param>
    /// <param name="start">The first byte, a multiple of 4096.</param>
    /// <param name="length">Bytes, a multiple of 4096.</param>
    /// <returns><c>false</c>, and nothing changed, where not all of them are free.</returns>
    public bool TryReserve(FrameOwner owner, PhysicalAddress start, ulong length)
    {
        for (ulong done = 0; done < length;)
        {
            PhysicalAddress at = start + done;
            if (OwnerOf(at) != FrameOwner.Free)
                return false;
            done += UniformBlockAt(at.Value, length - done).Bytes;
        }

        Assign(start, length, FrameOwner.Free, owner);
        return true;
    }

    /// <summary>Clears a block and makes it free.</summary>
    /// <param name="owner">Who owns all of it.</param>
    /// <param name="address">The first byte.</param>
    /// <param name="size">As allocated, or a part of it.</param>
    /// <exception cref="InvalidOperationException">It has another owner, or is pinned: a bug of the caller.</exception>
    public void Free(FrameOwner owner, PhysicalAddress address, FrameSize size)
    {
        AssignBlock(address.Value, size, owner, FrameOwner.Free);
        _memory.Clear(address, size.Bytes);
    }

    /// <summary>Keeps a frame with its owner for as long as a device can reach it.</summary>
    /// <exception cref="InvalidOperationException">Nobody owns it: a bug of the caller.</exception>
    public void Pin(PhysicalAddress address)
    {
        FrameOwner owner = OwnerOf(address);
        if (owner == FrameOwner.None || owner == FrameOwner.Free)
            throw new InvalidOperationException($"The frame at {address} is owned by {owner} and cannot be pinned.");
        ref Block block = ref Divide(address.Value >> (int)FrameSize.Page1G)[BlockIndex(address.Value)];
        (block.Pins ??= TakeCounts())[FrameIndex(address.Value)]++;
        block.PinTotal++;
        Pins++;
    }

    /// <summary>Takes one pin back.</summary>
    /// <exception cref="InvalidOperationException">It has none: a bug of the caller.</exception>
    public void Unpin(PhysicalAddress address)
    {
        if (PinsOf(address) == 0)
            throw new InvalidOperationException($"The frame at {address} is not pinned.");
        ref Block block = ref Divide(address.Value >> (int)FrameSize.Page1G)[BlockIndex(address.Value)];
        block.Pins![FrameIndex(address.Value)]--;
        Pins--;
        if (--block.PinTotal != 0)
            return;
        (_spareCounts, block.Pins) = (block.Pins, null);
        Unite(address.Value >> (int)FrameSize.Page1G);
    }

    private int[] TakeCounts()
    {
        int[] counts = _spareCounts ?? new int[PerLevel];
        _spareCounts = null;
        return counts;
    }

    private static int BlockIndex(ulong address) => (int)(address >> (int)FrameSize.Page2M) & (PerLevel - 1);

    private static int FrameIndex(ulong address) => (int)(address >> (int)FrameSize.Page4K) & (PerLevel - 1);

    private static FrameSize LargestBlock(ulong address, ulong length) =>
        FrameSize.Page1G.IsAligned(address) && length >= FrameSize.Page1G.Bytes ? FrameSize.Page1G
        : FrameSize.Page2M.IsAligned(address) && length >= FrameSize.Page2M.Bytes ? FrameSize.Page2M
        : FrameSize.Page4K;

    private void Assign(PhysicalAddress start, ulong length, FrameOwner from, FrameOwner to)
    {
        if (((start.Value | length) & (FrameSize.Page4K.Bytes - 1)) != 0)
            throw new ArgumentException("Frames are whole 4 KiB pages.");
        for (ulong done = 0; done < length;)
        {
            ulong at = start.Value + done;
            FrameSize size = from == FrameOwner.None ? LargestBlock(at, length - done) : UniformBlockAt(at, length - done);
            AssignBlock(at, size, from, to);
            done += size.Bytes;
        }
    }

    // The largest block at an address that is not longer than asked and has no division inside.
    private FrameSize UniformBlockAt(ulong address, ulong length)
    {
        FrameSize size = LargestBlock(address, length);
        Block[]? blocks = _divided[address >> (int)FrameSize.Page1G];
        if (size == FrameSize.Page1G && blocks is not null)
            size = FrameSize.Page2M;
        return size == FrameSize.Page2M && blocks?[BlockIndex(address)].Owners is not null ? FrameSize.Page4K : size;
    }

    private ulong? FindFree(FrameSize size)
    {
        if (size == FrameSize.Page4K && _blocksWithFreeFrames.Count != 0)
        {
            ulong block = _blocksWithFreeFrames.Min;
            FrameOwner[] owners = _divided[block / PerLevel]![block % PerLevel].Owners!;
            return (block << (int)FrameSize.Page2M) + ((ulong)Array.IndexOf(owners, FrameOwner.Free) << (int)FrameSize.Page4K);
        }

        if (size != FrameSize.Page1G && _gigabytesWithFreeBlocks.Count != 0)
        {
            ulong gigabyte = _gigabytesWithFreeBlocks.Min;
            int block = Array.FindIndex(_divided[gigabyte]!, static block => block.Owner == FrameOwner.Free);
            return (gigabyte << (int)FrameSize.Page1G) + ((ulong)block << (int)FrameSize.Page2M);
        }

        return _freeGigabytes.Count != 0 ? _freeGigabytes.Min << (int)FrameSize.Page1G : null;
    }

    private void AssignBlock(ulong address, FrameSize size, FrameOwner from, FrameOwner to)
    {
        if (!size.IsAligned(address) || !IsUniform(address, size, from))
            throw new InvalidOperationException($"{size.Bytes} bytes at {address:X}h are no block, not all owned by {from}, or pinned.");
        ulong gigabyte = address >> (int)FrameSize.Page1G;
        if (size == FrameSize.Page1G)
        {
            _whole[gigabyte] = to;
        }
        else
        {
            ref Block block = ref Divide(gigabyte)[BlockIndex(address)];
            CountFree(in block, gigabyte, -1);
            if (size == FrameSize.Page2M)
            {
                block.Owner = to;
            }
            else
            {
                Divide(ref block)[FrameIndex(address)] = to;
                block.FreeFrames += (to == FrameOwner.Free ? 1 : 0) - (from == FrameOwner.Free ? 1 : 0);
                Unite(ref block);
            }

            CountFree(in block, gigabyte, 1);
        }

        if (from != FrameOwner.None)
            _counts[from] -= size.Frames;
        _counts[to] = CountOf(to) + size.Frames;
        Unite(gigabyte);
        Index(address);
    }

    private bool IsUniform(ulong address, FrameSize size, FrameOwner owner)
    {
        if (size == FrameSize.Page4K)
            return OwnerOf(new(address)) == owner && PinsOf(new(address)) == 0;
        ulong gigabyte = address >> (int)FrameSize.Page1G;
        if (_divided[gigabyte] is not { } blocks)
            return _whole[gigabyte] == owner;
        ref readonly Block block = ref blocks[BlockIndex(address)];
        return size == FrameSize.Page2M && block.Owners is null && block.Owner == owner && block.PinTotal == 0;
    }

    private void CountFree(in Block block, ulong gigabyte, int change)
    {
        if (block.Owners is null && block.Owner == FrameOwner.Free)
            _freeBlocks[gigabyte] += change;
    }

    private Block[] Divide(ulong gigabyte)
    {
        if (_divided[gigabyte] is { } blocks)
            return blocks;
        blocks = new Block[PerLevel];
        Array.Fill(blocks, new Block { Owner = _whole[gigabyte] });
        _freeBlocks[gigabyte] = _whole[gigabyte] == FrameOwner.Free ? PerLevel : 0;
        return _divided[gigabyte] = blocks;
    }

    private static FrameOwner[] Divide(ref Block block)
    {
        if (block.Owners is { } owners)
            return owners;
        owners = new FrameOwner[PerLevel];
        Array.Fill(owners, block.Owner);
        block.FreeFrames = block.Owner == FrameOwner.Free ? PerLevel : 0;
        block.Owner = FrameOwner.None;
        return block.Owners = owners;
    }

    // One element again, where all parts have one owner and no pins.
    private void Unite(ulong gigabyte)
    {
        if (_divided[gigabyte] is not { } blocks)
            return;
        FrameOwner owner = blocks[0].Owner;
        foreach (ref readonly Block block in blocks.AsSpan())
        {
            if (block.Owners is not null || block.Owner != owner || block.PinTotal != 0)
                return;
        }

        (_divided[gigabyte], _whole[gigabyte], _freeBlocks[gigabyte]) = (null, owner, 0);
    }

    private static void Unite(ref Block block)
    {
        if (block.FreeFrames is not (0 or PerLevel) || block.Owners is not { } owners || owners.AsSpan().ContainsAnyExcept(owners[0]))
            return;
        (block.Owner, block.Owners, block.FreeFrames) = (owners[0], null, 0);
    }

    // Where allocation looks for the part of the table that an address is in.
    private void Index(ulong address)
    {
        ulong gigabyte = address >> (int)FrameSize.Page1G;
        Block[]? blocks = _divided[gigabyte];
        Keep(_freeGigabytes, gigabyte, blocks is null && _whole[gigabyte] == FrameOwner.Free);
        Keep(_gigabytesWithFreeBlocks, gigabyte, blocks is not null && _freeBlocks[gigabyte] != 0);
        Keep(_blocksWithFreeFrames, address >> (int)FrameSize.Page2M, blocks?[BlockIndex(address)] is { Owners: not null, FreeFrames: > 0 });
    }

    private static void Keep(SortedSet<ulong> set, ulong element, bool member) =>
        _ = member ? set.Add(element) : set.Remove(element);

    private struct Block
    {
        public FrameOwner Owner;
        public FrameOwner[]? Owners;
        public int FreeFrames;
        public int[]? Pins;
        public int PinTotal;
    }
}
