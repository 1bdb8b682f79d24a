using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>The tables are those of docs/mechanisms/j-management-device.md.</summary>
public sealed class ManagementLayouts
{
    [Fact]
    public void Registers_have_the_bits_of_the_page()
    {
        Check32(raw => new ManagementIdentity(raw), ("Minor", "7:0"), ("Major", "15:8"), ("Signature", "31:16"));
        Check32(raw => new ManagementFeatures(raw), ("Modes", "3:0"), ("LastSlot", "12:8"), ("TransferShift", "20:16"));
        Check32(raw => new ManagementStatus(raw), ("CoreReady", "0"), ("TableFault", "1"), ("SlotFinished", "2"), ("CoreLost", "3"));
        Assert.Equal([1, 2, 4, 8, 15], [.. new[] { ManagementModes.Files, ManagementModes.Statistics, ManagementModes.Chat, ManagementModes.Calculation, ManagementModes.All }.Select(mode => (int)mode)]);
        Assert.Equal([1, 2, 4], [.. new[] { ManagementOpenFlags.Write, ManagementOpenFlags.Create, ManagementOpenFlags.Truncate }.Select(flag => (int)flag)]);
    }

    [Fact]
    public void Registers_lie_at_the_offsets_of_the_page() => Assert.Equal(
        [0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x1C, 0x20, 0x24, 0x28, 0x2C, 0x30, 0x34, 0x800, 0xC00, 0x1000],
        [
            ManagementOffsets.Identity, ManagementOffsets.Features, ManagementOffsets.Mode, ManagementOffsets.Status, ManagementOffsets.Doorbell,
            ManagementOffsets.Busy, ManagementOffsets.TableLow, ManagementOffsets.TableHigh, ManagementOffsets.Cancel, ManagementOffsets.Self,
            ManagementOffsets.InterruptEnable, ManagementOffsets.Finished, ManagementOffsets.QuotaLeft, ManagementOffsets.Control,
            ManagementOffsets.MessageTable, ManagementOffsets.PendingBits, ManagementOffsets.WindowLength,
        ]);

    [Fact]
    public void A_slot_has_the_bits_of_the_page()
    {
        Check512(
            raw => new ManagementRequest(raw),
            ("Command", "7:0"),
            ("Tag", "63:32"),
            ("Destination", "95:64"),
            ("Handle", "127:96"),
            ("Argument", "191:128"),
            ("Input", "255:192"),
            ("Output", "319:256"),
            ("InputLength", "351:320"),
            ("OutputLength", "383:352"),
            ("ClaimedSource", "415:384"));
        LayoutProbe.Check(
            4,
            raw => new ManagementCompletion(new(raw[0], raw[1], raw[2], raw[3])),
            ("Result", "7:0"),
            ("Tag", "63:32"),
            ("Length", "95:64"),
            ("Source", "127:96"),
            ("Value", "191:128"),
            ("Version", "255:192"));
        LayoutProbe.CheckWrites(4, raw => new ManagementCompletion(new(raw[0], raw[1], raw[2], raw[3])));
    }

    [Fact]
    public void Statistics_have_the_bits_of_the_page()
    {
        LayoutProbe.Check(2, raw => new ManagementDemand(new(raw[0], raw[1])), ("WorkNs", "63:0"), ("Pages", "95:64"));
        LayoutProbe.CheckWrites(2, raw => new ManagementDemand(new(raw[0], raw[1])));
        Check512(
            raw => new ManagementStatistics(raw),
            ("Exits", "63:0"),
            ("Hypercalls", "127:64"),
            ("RunTimeNs", "191:128"),
            ("MeasuredAgeNs", "255:192"),
            ("WorkNs", "319:256"),
            ("Pages", "351:320"),
            ("Participant", "383:352"),
            ("ReportedAgeNs", "447:384"),
            ("Requests", "511:448"));
    }

    [Fact]
    public void Commands_and_results_have_the_numbers_of_the_page()
    {
        Assert.Equal(
            [0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x10, 0x11, 0x20, 0x21, 0x22, 0x23, 0x24, 0x30, 0x31, 0x32],
            Enum.GetValues<ManagementCommand>().Select(command => (int)command));
        Assert.Equal(Enumerable.Range(0, 18), Enum.GetValues<ManagementResult>().Select(result => (int)result));
    }

    private static void Check32<T>(Func<Bits32, T> make, params (string Property, string Bits)[] table)
        where T : struct
    {
        LayoutProbe.Check(1, raw => make(new((uint)raw[0])), table);
        LayoutProbe.CheckWrites(1, raw => make(new((uint)raw[0])));
    }

    private static void Check512<T>(Func<Bits512, T> make, params (string Property, string Bits)[] table)
        where T : struct
    {
        LayoutProbe.Check(8, raw => make(new(raw[0], raw[1], raw[2], raw[3], raw[4], raw[5], raw[6], raw[7])), table);
        LayoutProbe.CheckWrites(8, raw => make(new(raw[0], raw[1], raw[2], raw[3], raw[4], raw[5], raw[6], raw[7])));
    }
}
