using Dma.Hal;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class FrameAllocatorTests
{
    private const int Frames = 700;
    private const ulong PageSize = 4096;

    // Not a multiple of any alignment above 4 KiB, so that alignment is that of the address and not of the index.
    private static readonly GuestPhysicalAddress s_start = new(0x10_3000);

    private enum What
    {
        Allocate,
        Reserve,
        Free,
        FreeAgain,
    }

    [Fact]
    public void Frames_are_those_that_a_first_fit_over_an_array_gives() => Property.Check(Steps().ToPrograms(), Run, 200);

    [Fact]
    public void Every_frame_of_a_large_range_is_given_once_and_then_no_more()
    {
        FrameAllocator frames = new(new(0), 70_000 * PageSize);
        for (ulong page = 0; page < frames.FramesTotal; page++)
        {
            Assert.True(frames.TryAllocate(out GuestPhysicalAddress frame));
            Assert.Equal(page, frame.Page);
        }

        Assert.False(frames.TryAllocate(out _));
        Assert.Equal(0ul, frames.FramesFree);
        frames.Free(new(69_999 * PageSize));
        Assert.True(frames.TryAllocate(out GuestPhysicalAddress last));
        Assert.Equal(69_999ul, last.Page);
    }

    [Fact]
    public void A_range_that_is_no_range_is_refused()
    {
        Assert.Throws<ArgumentException>(() => new FrameAllocator(new(0), 0));
        Assert.Throws<ArgumentException>(() => new FrameAllocator(new(1), PageSize));
        Assert.Throws<ArgumentException>(() => new FrameAllocator(new(0), PageSize + 1));
        Assert.Throws<ArgumentException>(() => new FrameAllocator(new(ulong.MaxValue - 4095), 2 * PageSize));
        FrameAllocator last = new(new(ulong.MaxValue - 4095), PageSize);
        Assert.True(last.TryAllocate(out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => last.TryAllocate(0, PageSize, out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => last.TryAllocate(1, 2048, out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => last.TryAllocate(1, 3 * PageSize, out _));
    }

    [Fact]
    public void Device_addresses_never_touch_the_interrupt_range()
    {
        IovaAllocator addresses = new(new(0xFEDF_E000), 0x10_4000);
        HashSet<ulong> pages = [];
        while (addresses.TryAllocate(1, PageSize, out Iova address))
            Assert.True(pages.Add(address.Value));
        Assert.Equal([0xFEDF_E000ul, 0xFEDF_F000, 0xFEF0_0000, 0xFEF0_1000], pages.Order());
        Assert.Throws<InvalidOperationException>(() => addresses.Free(new(0xFEE0_0000), 1));
        Assert.Throws<InvalidOperationException>(() => addresses.Free(new(0xFEDF_F000), 2));
        addresses.Free(new(0xFEDF_E000), 2);
        Assert.Throws<InvalidOperationException>(() => addresses.Free(new(0xFEDF_E000), 1));
        Assert.Equal(2ul, addresses.PagesFree);
    }

    private static Gen<Step> Steps() =>
        from what in Gen.Frequency((6, Gen.Constant(What.Allocate)), (1, Gen.Constant(What.Reserve)), (4, Gen.Constant(What.Free)), (1, Gen.Constant(What.FreeAgain)))
        from count in Gen.Frequency((6, Gen.Constant(1)), (3, Gen.Choose(2, 9)), (1, Gen.Choose(10, 300)))
        from alignment in Gen.Frequency((5, Gen.Constant(0)), (2, Gen.Choose(1, 8)))
        from place in Gen.Choose(0, Frames + 5)
        select new Step(what, count, 1 << alignment, place);

    private static void Run(Step[] program)
    {
        FrameAllocator frames = new(s_start, Frames * PageSize);
        bool[] taken = new bool[Frames];
        List<(int First, int Count)> pieces = [];
        foreach (Step step in program)
        {
            switch (step.What)
            {
                case What.Allocate:
                    int expected = FirstFit(taken, step);
                    Assert.Equal(expected >= 0, frames.TryAllocate((ulong)step.Count, (ulong)step.Alignment * PageSize, out GuestPhysicalAddress first));
                    if (expected < 0)
                        break;
                    Assert.Equal(s_start.Value + ((ulong)expected * PageSize), first.Value);
                    Mark(taken, expected, step.Count, true);
                    pieces.Add((expected, step.Count));
                    break;
                case What.Reserve:
                    bool isFree = step.Place + step.Count <= Frames && !taken.AsSpan(step.Place, step.Count).Contains(true);
                    Assert.Equal(isFree, frames.TryReserve(AddressOf(step.Place), (ulong)step.Count));
                    if (!isFree)
                        break;
                    Mark(taken, step.Place, step.Count, true);
                    pieces.Add((step.Place, step.Count));
                    break;
                case What.Free when pieces.Count != 0:
                    (int place, int count) = pieces[step.Place % pieces.Count];
                    pieces.RemoveAt(step.Place % pieces.Count);
                    frames.Free(AddressOf(place), (ulong)count);
                    Mark(taken, place, count, false);
                    break;
                case What.FreeAgain when step.Place + step.Count > Frames || taken.AsSpan(step.Place, step.Count).Contains(false):
                    Assert.Throws<InvalidOperationException>(() => frames.Free(AddressOf(step.Place), (ulong)step.Count));
                    break;
                default:
                    break;
            }

            Assert.Equal((ulong)taken.Count(frame => !frame), frames.FramesFree);
        }

        for (int frame = 0; frame < Frames; frame++)
            Assert.Equal(taken[frame], frames.IsAllocated(AddressOf(frame)));
    }

    private static int FirstFit(bool[] taken, Step step)
    {
        for (int first = 0; first + step.Count <= Frames; first++)
        {
            if (((long)s_start.Page + first) % step.Alignment == 0 && !taken.AsSpan(first, step.Count).Contains(true))
                return first;
        }

        return -1;
    }

    private static void Mark(bool[] taken, int first, int count, bool value) => taken.AsSpan(first, count).Fill(value);

    private static GuestPhysicalAddress AddressOf(int frame) => s_start + ((ulong)frame * PageSize);

    private readonly record struct Step(What What, int Count, int Alignment, int Place);
}
