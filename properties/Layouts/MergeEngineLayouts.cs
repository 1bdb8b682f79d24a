using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Properties;

/// <summary>The registers of a merge engine: where they are, and which of their bits software can write.</summary>
public sealed class MergeEngineLayouts
{
    private const int Slots = 3;

    [Fact]
    public void Registers_lie_at_the_offsets_of_the_page() => Assert.Equal(
        [0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x1C, 0x200, 0x1000],
        [
            MergeEngineOffsets.Id, MergeEngineOffsets.Counts, MergeEngineOffsets.NoticeLow, MergeEngineOffsets.NoticeHigh, MergeEngineOffsets.LinkSegment,
            MergeEngineOffsets.LinkFrames, MergeEngineOffsets.LinkHead, MergeEngineOffsets.AddressZero, MergeEngineOffsets.FirstAddress, MergeEngineOffsets.FirstSlot,
        ]);

    [Fact]
    public void Registers_of_a_slot_lie_at_the_offsets_of_the_page() => Assert.Equal(
        [0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x1C, 0x20, 0x24, 0x28, 0x40],
        [
            MergeEngineOffsets.Control, MergeEngineOffsets.Segment, MergeEngineOffsets.Frames, MergeEngineOffsets.Ring, MergeEngineOffsets.Shift, MergeEngineOffsets.Status,
            MergeEngineOffsets.Share, MergeEngineOffsets.Requester, MergeEngineOffsets.Port, MergeEngineOffsets.Shut, MergeEngineOffsets.CutOffs, MergeEngineOffsets.SlotStride,
        ]);

    [Fact]
    public void What_does_not_change_reads_as_the_page_says_and_keeps_to_it()
    {
        MergingEhciController controller = Controller();
        (int Offset, uint Value)[] registers =
        [
            (MergeEngineOffsets.Id, 0x4752_454D), (MergeEngineOffsets.Counts, 0x1_0003), (MergeEngineOffsets.NoticeLow, 0), (MergeEngineOffsets.NoticeHigh, 0),
            (MergeEngineOffsets.LinkSegment, 0xFFFF_FFFF), (MergeEngineOffsets.LinkFrames, 0xFFFF_E000), (MergeEngineOffsets.LinkHead, 0xFFFF_F000), (MergeEngineOffsets.AddressZero, 0xFF),
        ];
        foreach ((int offset, uint value) in registers)
        {
            Assert.Equal(value, Read(controller, offset));
            Write(controller, offset, ~value);
            Assert.Equal(value, Read(controller, offset));
        }
    }

    /// <summary>Bits that stay as software wrote them, one after the other, in each slot and in no other.</summary>
    [Theory]
    [InlineData(MergeEngineOffsets.Control, 0x1Fu)]
    [InlineData(MergeEngineOffsets.Segment, 0xFFFF_FFFFu)]
    [InlineData(MergeEngineOffsets.Frames, 0xFFFF_F000u)]
    [InlineData(MergeEngineOffsets.Ring, 0xFFFF_FFE0u)]
    [InlineData(MergeEngineOffsets.Shift, 0x3FFu)]
    [InlineData(MergeEngineOffsets.Status, 0u)]
    [InlineData(MergeEngineOffsets.Share, 0x1_FFFFu)]
    [InlineData(MergeEngineOffsets.Requester, 0u)]
    [InlineData(MergeEngineOffsets.Port, 0u)]
    [InlineData(MergeEngineOffsets.Shut, 0u)]
    [InlineData(MergeEngineOffsets.CutOffs, 0u)]
    public void Bits_of_a_slot_are_those_of_the_page(int register, uint writable)
    {
        for (int slot = 0; slot < Slots; slot++)
        {
            for (int bit = 0; bit < 32; bit++)
            {
                // A doorbell clears itself, here at once; a share ends at 100,000.
                if (register == MergeEngineOffsets.Share && bit > 16)
                    continue;
                MergingEhciController controller = Controller();
                uint[] before = [.. Enumerable.Range(0, Slots).Select(other => Read(controller, At(other, register)))];
                Write(controller, At(slot, register), 1u << bit);
                for (int other = 0; other < Slots; other++)
                {
                    uint kept = writable == 0 || other != slot ? before[other] : (1u << bit) & writable;
                    Assert.Equal(kept, Read(controller, At(other, register)));
                }
            }
        }
    }

    [Fact]
    public void A_share_has_100_000_nanoseconds_at_most_and_a_doorbell_that_is_answered_at_once_shows_as_such()
    {
        MergingEhciController controller = Controller();
        Write(controller, At(1, MergeEngineOffsets.Share), uint.MaxValue);
        Assert.Equal(100_000u, Read(controller, At(1, MergeEngineOffsets.Share)));
        Write(controller, At(1, MergeEngineOffsets.Control), 1 << 6);
        Assert.Equal((0u, 1u << 5, 1u << 1), (Read(controller, At(1, MergeEngineOffsets.Control)), Read(controller, At(1, MergeEngineOffsets.Status)), Read(controller, MergeEngineOffsets.NoticeLow)));
        Write(controller, At(1, MergeEngineOffsets.Status), 1 << 5);
        Assert.Equal((0u, 0u), (Read(controller, At(1, MergeEngineOffsets.Status)), Read(controller, MergeEngineOffsets.NoticeLow)));
    }

    private static MergingEhciController Controller() => new(new EventLoop(), new() { SlotCount = Slots, AnswersLate = false, Controller = new() { Addresses64Bit = true } });

    private static int At(int slot, int register) => MergeEngineOffsets.FirstSlot + (slot * MergeEngineOffsets.SlotStride) + register;

    private static uint Read(MergingEhciController controller, int offset) => (uint)controller.ReadBar(MergeEngineOffsets.Bar, (ulong)offset, sizeof(uint));

    private static void Write(MergingEhciController controller, int offset, uint value) => controller.WriteBar(MergeEngineOffsets.Bar, (ulong)offset, sizeof(uint), value);
}
