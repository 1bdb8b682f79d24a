namespace Dma.Iommu;

/// <summary>Who reaches each frame of host memory: the first owner of every frame, and every later one that differs.</summary>
/// <remarks>
/// A tree over the 40 bits of a frame number, 512 children to a node, in which a block that one owner has whole is
/// one entry, however large. Owners come one after the other, so what the tree holds of an earlier one is final.
/// Its leaves stay where they are, so a table beside it, as large as they are many, leads to them in one step.
/// </remarks>
internal sealed class FrameOwners(int partialBlocksMax)
{
    private const int Top = 4;
    private const ulong FrameMask = (1ul << 40) - 1;
    private readonly Node _root = new(Top);
    private Leaf[] _leaves = new Leaf[64];
    private ulong _lastBlock;
    private int _nodes;
    private int _expected;

    /// <summary>A later owner reached frames of an earlier one.</summary>
    /// <param name="First">The earlier one.</param>
    /// <param name="Second">The later one.</param>
    /// <param name="Frame">The first frame.</param>
    /// <param name="Frames">How many.</param>
    /// <param name="Offset">How far into what the later one was given, in frames.</param>
    public readonly record struct Overlap(Owner First, Owner Second, ulong Frame, ulong Frames, ulong Offset);

    /// <summary>An owner, and whether it may write; the number is 1 to 32767.</summary>
    public readonly record struct Owner(ushort Raw)
    {
        public Owner(int number, bool writes)
            : this(checked((ushort)((number << 1) | (writes ? 1 : 0))))
        {
        }

        public int Number => Raw >> 1;

        public bool Writes => (Raw & 1) != 0;
    }

    /// <summary>Whether frames were left out because too many blocks were mapped in part.</summary>
    public bool Overflowed { get; private set; }

    /// <summary>Gives frames to an owner.</summary>
    /// <param name="owner">Who; all that one owner has is given before the next one comes.</param>
    /// <param name="frame">The first frame, below 2^40.</param>
    /// <param name="frames">How many.</param>
    /// <param name="overlaps">Takes what belongs to an earlier owner.</param>
    public void Give(Owner owner, ulong frame, ulong frames, List<Overlap> overlaps)
    {
        // Most runs are short: straight to the block of 512 frames. Of a whole one the tree knows whether its owner had it.
        Leaf leaf = LeafOf(frame);
        ulong block = frame >> 9;
        if (leaf.Owners is { } held && leaf.Block == block && (frame & 0x1FF) + frames <= 512 && (frames != 512 || block == _lastBlock))
        {
            _lastBlock = block;
            GiveInLeaf(held, owner, frame, frames, 0, overlaps);
        }
        else
        {
            Give(_root, Top, owner, frame, frames, 0, overlaps);
        }
    }

    /// <summary>Fetches what is known of frames that are about to be given one by one.</summary>
    /// <remarks>Frames lie anywhere, and waiting for memory is what giving them costs. Here nothing depends on the frame before, so the processor waits for many at a time.</remarks>
    /// <param name="entries">Last-level entries, with their frames in bits 51:12.</param>
    public void Expect(ReadOnlySpan<ulong> entries)
    {
        ulong last = 0;
        int owned = 0;
        foreach (ulong entry in entries)
        {
            ulong frame = (entry >> 12) & FrameMask;
            if (frame != last + 1)
            {
                ref Leaf leaf = ref LeafOf(frame);
                if (leaf.Owners is { } held && leaf.Block == frame >> 9)
                    owned |= held[frame & 0x1FF];
            }

            last = frame;
        }

        // Used, so that no compiler leaves the reads out.
        Volatile.Write(ref _expected, owned);
    }

    private void Give(Node node, int level, Owner owner, ulong frame, ulong frames, ulong offset, List<Overlap> overlaps)
    {
        if (level == 0)
        {
            _lastBlock = frame >> 9;
            LeafOf(frame) = new(frame >> 9, node.Owners);
            GiveInLeaf(node.Owners, owner, frame, frames, offset, overlaps);
            return;
        }

        int shift = 9 * level;
        ulong blockFrames = 1ul << shift;
        while (frames != 0)
        {
            int slot = (int)((frame >> shift) & 0x1FF);
            ulong inBlock = frame & (blockFrames - 1);
            ulong step = Math.Min(frames, blockFrames - inBlock);
            if (node.Children![slot] is { } child)
                GiveChild(child, level - 1, owner, frame, step, offset, overlaps);
            else if (step == blockFrames || !Splits(node.Owners[slot], owner))
                node.Owners[slot] = Meet(node.Owners[slot], owner, frame, step, offset, overlaps);
            else if (NewNode(level - 1, node.Owners[slot]) is { } part)
                Give(node.Children[slot] = part, level - 1, owner, frame, step, offset, overlaps);
            frame += step;
            frames -= step;
            offset += step;
        }
    }

    private void GiveChild(Node child, int level, Owner owner, ulong frame, ulong frames, ulong offset, List<Overlap> overlaps)
    {
        // What an owner had whole it need not be given again, however often its tables say so.
        bool whole = frames == 1ul << (9 * (level + 1));
        if (whole && (child.WholeOf.Raw | (owner.Writes ? 0 : 1)) == (owner.Raw | (owner.Writes ? 0 : 1)))
            return;
        Give(child, level, owner, frame, frames, offset, overlaps);
        if (whole)
            child.WholeOf = owner;
    }

    // Where the leaf of a frame is noted, if another one did not take its place.
    private ref Leaf LeafOf(ulong frame) => ref _leaves[(int)(frame >> 9) & (_leaves.Length - 1)];

    private static void GiveInLeaf(ushort[] leaf, Owner owner, ulong frame, ulong frames, ulong offset, List<Overlap> overlaps)
    {
        for (; frames != 0; frame++, frames--, offset++)
        {
            ref ushort held = ref leaf[frame & 0x1FF];
            held = held == 0 ? owner.Raw : Meet(held, owner, frame, 1, offset, overlaps);
        }
    }

    // Whether a part of a block will differ from the rest: nobody had it, or its owner may write only the part.
    private static bool Splits(ushort held, Owner owner) =>
        held == 0 || (new Owner(held).Number == owner.Number && owner.Writes && !new Owner(held).Writes);

    // Who holds frames after an owner came: the first one keeps them, with what rights it has in all.
    private static ushort Meet(ushort held, Owner owner, ulong frame, ulong frames, ulong offset, List<Overlap> overlaps)
    {
        if (held == 0)
            return owner.Raw;
        Owner first = new(held);
        if (first.Number == owner.Number)
            return (ushort)(held | owner.Raw);
        if (overlaps.Count != 0
            && overlaps[^1] is var last
            && last.First == first && last.Second == owner && last.Frame + last.Frames == frame && last.Offset + last.Frames == offset)
            overlaps[^1] = last with { Frames = last.Frames + frames };
        else
            overlaps.Add(new(first, owner, frame, frames, offset));
        return held;
    }

    private Node? NewNode(int level, ushort held)
    {
        if (_nodes++ >= partialBlocksMax)
        {
            Overflowed = true;
            return null;
        }

        // What was noted is found again in the tree when it is next needed.
        if (_nodes > _leaves.Length)
            _leaves = new Leaf[2 * _leaves.Length];
        Node node = new(level);
        if (held != 0)
            Array.Fill(node.Owners, held);
        return node;
    }

    private readonly record struct Leaf(ulong Block, ushort[]? Owners);

    private sealed class Node(int level)
    {
        public readonly ushort[] Owners = new ushort[512];
        public readonly Node?[]? Children = level == 0 ? null : new Node?[512];

        // Who was last given the whole block, the owners of its parts notwithstanding.
        public Owner WholeOf;
    }
}
