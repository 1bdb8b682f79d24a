using System.Buffers.Binary;
using Dma.Hal.Spec;

namespace Dma.Properties;

/// <summary>Grants, rings and requests are laid out as in Xen's public headers grant_table.h, io/ring.h and io/usbif.h.</summary>
public sealed class SplitDriverLayouts
{
    [Fact]
    public void A_grant_entry_has_the_bits_of_the_header()
    {
        LayoutProbe.Check(
            1,
            raw => new GrantEntry(new(raw[0])),
            ("Type", "1:0"),
            ("IsReadOnly", "2"),
            ("IsRead", "3"),
            ("IsWritten", "4"),
            ("Domain", "31:16"),
            ("Frame", "63:32"));
        LayoutProbe.CheckWrites(1, raw => new GrantEntry(new(raw[0])));
    }

    [Fact]
    public void A_request_has_the_bits_of_the_header()
    {
        static UrbRequest Read(ulong[] raw) => new(new(raw[0], raw[1], raw[2], raw[3]));
        LayoutProbe.Check(
            4,
            Read,
            ("Id", "15:0"),
            ("SegmentCount", "31:16"),
            ("Pipe", "63:32"),
            ("ShortNotOk", "64"),
            ("Length", "95:80"),
            ("Setup", "159:96"),
            ("Interval", "111:96"),
            ("UnlinkId", "111:96"),
            ("StartFrame", "127:112"),
            ("PacketCount", "143:128"),
            ("PacketSegmentCount", "159:144"));
        LayoutProbe.CheckWrites(4, Read);
        Assert.Equal((20, 148), (UrbRequest.HeadSize, UrbRequest.Size));
    }

    [Fact]
    public void A_pipe_has_the_bits_of_the_header()
    {
        LayoutProbe.Check(
            1,
            raw => new UrbPipe(new((uint)raw[0])),
            ("Port", "4:0"),
            ("Unlink", "5"),
            ("In", "7"),
            ("Device", "14:8"),
            ("Endpoint", "18:15"),
            ("Type", "31:30"));
        Assert.Equal((0, 1, 2, 3), ((int)UrbType.Isochronous, (int)UrbType.Interrupt, (int)UrbType.Control, (int)UrbType.Bulk));
    }

    [Fact]
    public void A_segment_a_response_a_packet_and_a_plug_event_have_the_bits_of_the_header()
    {
        LayoutProbe.Check(1, raw => new UrbSegment(new(raw[0])), ("Grant", "31:0"), ("Offset", "47:32"), ("Length", "63:48"));
        LayoutProbe.Check(
            2,
            raw => new UrbResponse(new(raw[0], raw[1])),
            ("Id", "15:0"),
            ("StartFrame", "31:16"),
            ("Status", "63:32"),
            ("ActualLength", "95:64"),
            ("ErrorCount", "127:96"));
        LayoutProbe.Check(
            2,
            raw => new UrbPacket(new(raw[0], raw[1])),
            ("Offset", "31:0"),
            ("Length", "63:32"),
            ("ActualLength", "95:64"),
            ("Status", "127:96"));
        LayoutProbe.Check(1, raw => new PlugEvent(new((uint)raw[0])), ("Id", "15:0"), ("Port", "23:16"), ("Speed", "31:24"));
        LayoutProbe.CheckWrites(1, raw => new UrbSegment(new(raw[0])));
        LayoutProbe.CheckWrites(2, raw => new UrbResponse(new(raw[0], raw[1])));
        LayoutProbe.CheckWrites(2, raw => new UrbPacket(new(raw[0], raw[1])));
    }

    [Fact]
    public void A_request_is_twenty_bytes_and_then_its_segments()
    {
        byte[] bytes = new byte[UrbRequest.Size];
        new UrbRequest { Id = 0x1234, SegmentCount = 2, Length = 0x5678, Setup = 0x0807_0605_0403_0201 }.Write(bytes);
        Assert.Equal(0x1234, BinaryPrimitives.ReadUInt16LittleEndian(bytes));
        Assert.Equal(2, BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(2)));
        Assert.Equal(0x5678, BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(10)));
        Assert.Equal<byte>([1, 2, 3, 4, 5, 6, 7, 8, 0], bytes[12..21]);
        Assert.Equal(new UrbRequest { Id = 0x1234, SegmentCount = 2, Length = 0x5678, Setup = 0x0807_0605_0403_0201 }, UrbRequest.Read(bytes));
    }

    [Fact]
    public void A_ring_of_requests_has_16_places_and_a_ring_of_plug_events_512()
    {
        // The largest power of two that fits behind 64 bytes in a page.
        Assert.Equal(16u, SharedRing.CountOf(UrbRequest.Size));
        Assert.Equal(512u, SharedRing.CountOf(PlugEvent.Size));
        Assert.Equal(64 + (3 * 148), SharedRing.OffsetOf(19, UrbRequest.Size));
        Assert.True(SharedRing.Wakes(wakeAt: 1, before: 0, now: 1));
        Assert.True(SharedRing.Wakes(wakeAt: 0, before: uint.MaxValue, now: 3));
        Assert.False(SharedRing.Wakes(wakeAt: 5, before: 0, now: 4));
        Assert.False(SharedRing.Wakes(wakeAt: 1, before: 1, now: 2));
    }
}
