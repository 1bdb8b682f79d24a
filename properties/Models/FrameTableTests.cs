using Dma.Machine;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class FrameTableTests
{
    private const ulong MiB = 1 << 20;

    // Two whole gigabytes would be too many frames for a model that is looked through after every step; the table does
    // not know that, and a gigabyte page exists once.
    private static readonly (ulong Start, ulong Length)[] _extents = [(0, 3 * MiB), (4 * MiB, 2 * MiB), (1024 * MiB, 1024 * MiB)];

    private static readonly FrameSize[] _sizes = [FrameSize.Page4K, FrameSize.Page2M, FrameSize.Page1G];

    private enum What
    {
        Allocate,
        Free,
        FreeAPart,
        Reserve,
        Pin,
        Unpin,
    }

    [Fact]
    public void Owners_and_pins_are_those_of_a_dictionary_of_frames() => Property.Check(Generate.Program(Steps, 40), Run, 60);

    [Fact]
    public void What_was_allocated_and_freed_can_be_allocated_again_in_any_size()
    {
        using PhysicalMemory memory = new(2048 * MiB);
        FrameTable frames = new(memory);
        for (int round = 0; round < 2; round++)
        {
            foreach (FrameSize size in _sizes)
            {
                List<PhysicalAddress> taken = [];
                while (taken.Count < 600 && frames.TryAllocate(FrameOwner.Guest(1), size, out PhysicalAddress address))
                    taken.Add(address);
                Assert.Equal(size == FrameSize.Page1G ? 2 : 600, taken.Count);
                Assert.Equal(taken.Count, taken.Distinct().Count());
                foreach (PhysicalAddress address in taken)
                    frames.Free(FrameOwner.Guest(1), address, size);
            }
        }

        Assert.Equal(2048 * MiB / 4096, frames.CountOf(FrameOwner.Free));
    }

    [Fact]
    public void A_frame_that_comes_free_holds_nothing_of_its_owner()
    {
        using PhysicalMemory memory = new(8 * MiB);
        FrameTable frames = new(memory);
        foreach (FrameSize size in (FrameSize[])[FrameSize.Page4K, FrameSize.Page2M])
        {
            byte[] secret = new byte[size.Bytes];
            Array.Fill(secret, (byte)0xA5);
            Assert.True(frames.TryAllocate(FrameOwner.Guest(7), size, out PhysicalAddress address));
            Assert.True(memory.TryWrite(address, secret));
            frames.Free(FrameOwner.Guest(7), address, size);
            Assert.True(memory.TryRead(address, secret));
            Assert.False(secret.AsSpan().ContainsAnyExcept((byte)0));
        }
    }

    [Fact]
    public void A_pinned_frame_or_that_of_another_is_not_freed()
    {
        using PhysicalMemory memory = new(8 * MiB);
        FrameTable frames = new(memory);
        Assert.True(frames.TryAllocate(FrameOwner.Guest(1), FrameSize.Page2M, out PhysicalAddress block));
        frames.Pin(block + 4096);
        Assert.Throws<InvalidOperationException>(() => frames.Free(FrameOwner.Guest(1), block, FrameSize.Page2M));
        Assert.Throws<InvalidOperationException>(() => frames.Free(FrameOwner.Guest(1), block + 4096, FrameSize.Page4K));
        Assert.Throws<InvalidOperationException>(() => frames.Free(FrameOwner.Guest(2), block, FrameSize.Page4K));
        Assert.Throws<InvalidOperationException>(() => frames.Pin(block + FrameSize.Page2M.Bytes));
        Assert.Throws<InvalidOperationException>(() => frames.Unpin(block));
        Assert.Equal(1, frames.PinsOf(block + 8191));
        frames.Unpin(block + 4096);
        frames.Free(FrameOwner.Guest(1), block, FrameSize.Page2M);
        Assert.Equal(8 * MiB / 4096, frames.CountOf(FrameOwner.Free));
    }

    [Fact]
    public void Terabytes_cost_kilobytes()
    {
        using PhysicalMemory memory = new(1ul << 42);
        long before = GC.GetAllocatedBytesForCurrentThread();
        FrameTable frames = new(memory);
        Assert.True(frames.TryAllocate(FrameOwner.Guest(1), FrameSize.Page1G, out _));
        Assert.True(frames.TryAllocate(FrameOwner.Guest(1), FrameSize.Page4K, out _));
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 2_000_000);
    }

    private static Gen<Step> Steps =>
        from what in Gen.Frequency((6, Gen.Constant(What.Allocate)), (3, Gen.Constant(What.Free)), (1, Gen.Constant(What.FreeAPart)),
            (1, Gen.Constant(What.Reserve)), (2, Gen.Constant(What.Pin)), (2, Gen.Constant(What.Unpin)))
        from size in Gen.Frequency((6, Gen.Constant(FrameSize.Page4K)), (3, Gen.Constant(FrameSize.Page2M)), (1, Gen.Constant(FrameSize.Page1G)))
        from owner in Gen.Choose(0, 2)
        from number in Gen.Choose(0, 10_000)
        select new Step(what, size, owner, number);

    private static void Run(Step[] program)
    {
        using PhysicalMemory memory = new();
        foreach ((ulong start, ulong length) in _extents)
            memory.AddRam(new(start), length);
        FrameTable frames = new(memory);
        Model model = new(_extents);
        foreach (Step step in program)
        {
            Take(step, frames, model);
            model.Compare(frames);
        }

        // Everything back: the table must be as new.
        foreach (ulong pin in model.Pins.ToArray())
            frames.Unpin(new(pin));
        model.Pins.Clear();
        while (model.Blocks.Count != 0)
            model.Free(frames, 0, model.Blocks[0].Size);
        Assert.Equal(_extents.Aggregate(0ul, (sum, extent) => sum + (extent.Length / 4096)), frames.CountOf(FrameOwner.Free));
        Assert.True(frames.TryAllocate(FrameOwner.Vmm, FrameSize.Page1G, out _));
    }

    private static void Take(Step step, FrameTable frames, Model model)
    {
        FrameOwner owner = step.Owner == 0 ? FrameOwner.Vmm : FrameOwner.Guest(step.Owner);
        int block = model.Blocks.Count == 0 ? -1 : step.Number % model.Blocks.Count;
        switch (step.What)
        {
            case What.Allocate:
                bool allocated = frames.TryAllocate(owner, step.Size, out PhysicalAddress address);
                Assert.Equal(model.HasFree(step.Size), allocated);
                if (allocated)
                    model.Add(owner, address.Value, step.Size);
                break;
            case What.Reserve:
                ulong at = (ulong)step.Number % 1600 * 4096;
                bool isFree = model.IsFree(at, step.Size.Bytes);
                Assert.Equal(isFree, frames.TryReserve(owner, new(at), step.Size.Bytes));
                for (ulong frame = 0; isFree && frame < step.Size.Frames; frame++)
                    model.Add(owner, at + (frame * 4096), FrameSize.Page4K);
                break;
            case What.Free when block >= 0 && !model.IsPinned(model.Blocks[block]):
                model.Free(frames, block, model.Blocks[block].Size);
                break;
            case What.FreeAPart when block >= 0 && !model.IsPinned(model.Blocks[block]):
                model.Free(frames, block, FrameSize.Page4K);
                break;
            case What.Pin when block >= 0:
                ulong page = model.Blocks[block].Address + ((ulong)step.Number % model.Blocks[block].Size.Frames * 4096);
                frames.Pin(new(page));
                model.Pins.Add(page);
                break;
            case What.Unpin when model.Pins.Count != 0:
                int pin = step.Number % model.Pins.Count;
                frames.Unpin(new(model.Pins[pin]));
                model.Pins.RemoveAt(pin);
                break;
        }
    }

    private sealed record Step(What What, FrameSize Size, int Owner, int Number)
    {
        public override string ToString() => $"{What} {Size} owner {Owner} number {Number}";
    }

    // Blocks as they were handed out; every frame that is in none of them is free.
    private sealed class Model((ulong Start, ulong Length)[] extents)
    {
        public List<(FrameOwner Owner, ulong Address, FrameSize Size)> Blocks { get; } = [];

        public List<ulong> Pins { get; } = [];

        public void Add(FrameOwner owner, ulong address, FrameSize size)
        {
            Assert.True(size.IsAligned(address));
            Assert.True(IsFree(address, size.Bytes));
            Blocks.Add((owner, address, size));
        }

        public bool IsFree(ulong address, ulong length) =>
            IsBacked(address, length)
            && !Blocks.Any(block => address < block.Address + block.Size.Bytes && block.Address < address + length);

        public bool HasFree(FrameSize size) =>
            extents.Any(extent => Candidates(extent, size).Any(address => IsFree(address, size.Bytes)));

        public bool IsPinned((FrameOwner Owner, ulong Address, FrameSize Size) block) =>
            Pins.Any(pin => pin >= block.Address && pin < block.Address + block.Size.Bytes);

        public void Free(FrameTable frames, int index, FrameSize part)
        {
            (FrameOwner owner, ulong address, FrameSize size) = Blocks[index];
            Blocks.RemoveAt(index);
            frames.Free(owner, new(address), part);
            if (part == size)
                return;

            // What is left of the block, as single frames or blocks of 2 MiB.
            FrameSize rest = size == FrameSize.Page1G ? FrameSize.Page2M : FrameSize.Page4K;
            for (ulong at = address + rest.Bytes; at < address + size.Bytes; at += rest.Bytes)
                Blocks.Add((owner, at, rest));
            for (ulong at = address + part.Bytes; at < address + rest.Bytes; at += part.Bytes)
                Blocks.Add((owner, at, part));
        }

        public void Compare(FrameTable frames)
        {
            Assert.Equal((ulong)Pins.Count, frames.Pins);
            foreach ((FrameOwner owner, ulong address, FrameSize size) in Blocks)
            {
                Assert.Equal(owner, frames.OwnerOf(new(address)));
                Assert.Equal(owner, frames.OwnerOf(new(address + size.Bytes - 1)));
            }

            foreach (IGrouping<ulong, ulong> pin in Pins.GroupBy(pin => pin))
                Assert.Equal(pin.Count(), frames.PinsOf(new(pin.Key)));
            foreach (IGrouping<FrameOwner, (FrameOwner Owner, ulong Address, FrameSize Size)> owned in Blocks.GroupBy(block => block.Owner))
                Assert.Equal(owned.Aggregate(0ul, (sum, block) => sum + block.Size.Frames), frames.CountOf(owned.Key));
            Assert.Equal(FrameOwner.None, frames.OwnerOf(new(3 * MiB)));
            Assert.Equal(FrameOwner.None, frames.OwnerOf(new(1ul << 51)));
        }

        private static IEnumerable<ulong> Candidates((ulong Start, ulong Length) extent, FrameSize size)
        {
            for (ulong at = (extent.Start + size.Bytes - 1) & ~(size.Bytes - 1); at + size.Bytes <= extent.Start + extent.Length; at += size.Bytes)
                yield return at;
        }

        private bool IsBacked(ulong address, ulong length) =>
            extents.Any(extent => address >= extent.Start && address + length <= extent.Start + extent.Length);
    }
}
