using System.Runtime.InteropServices;
using Dma.Machine;

namespace Dma.Hal.Spec;

/// <summary>A request of a front end, without its buffer segments (Xen, io/usbif.h, urb request).</summary>
/// <remarks>Bits 159:96 mean something else for each kind of request; those of a control transfer are its SETUP packet.</remarks>
/// <param name="Raw">All bits; bits 255:160 are none of the request's.</param>
public readonly record struct UrbRequest(Bits256 Raw)
{
    /// <summary>Bytes before the segments.</summary>
    public const int HeadSize = 20;

    /// <summary>How many segments there is room for.</summary>
    public const int SegmentsMax = 16;

    /// <summary>Bytes of the whole request.</summary>
    public const int Size = HeadSize + (SegmentsMax * UrbSegment.Size);

    /// <summary>Bits 15:0, id: the name under which the answer comes.</summary>
    public ushort Id
    {
        get => (ushort)Raw.Bits(15, 0);
        init => Raw = Raw.With(15, 0, value);
    }

    /// <summary>Bits 31:16, nr_buffer_segs: segments of data.</summary>
    public ushort SegmentCount
    {
        get => (ushort)Raw.Bits(31, 16);
        init => Raw = Raw.With(31, 16, value);
    }

    /// <summary>Bits 63:32, pipe.</summary>
    public UrbPipe Pipe
    {
        get => new(new((uint)Raw.Bits(63, 32)));
        init => Raw = Raw.With(63, 32, value.Raw.Value);
    }

    /// <summary>Bit 64, a short packet counts as an error.</summary>
    public bool ShortNotOk
    {
        get => Raw.Bit(64);
        init => Raw = Raw.With(64, value);
    }

    /// <summary>Bits 95:80, buffer_length: bytes of data.</summary>
    public ushort Length
    {
        get => (ushort)Raw.Bits(95, 80);
        init => Raw = Raw.With(95, 80, value);
    }

    /// <summary>Bits 159:96 of a control transfer, ctrl: its SETUP packet.</summary>
    public ulong Setup
    {
        get => Raw.Bits(159, 96);
        init => Raw = Raw.With(159, 96, value);
    }

    /// <summary>Bits 111:96 of an interrupt or isochronous transfer: frames or microframes from one packet to the next.</summary>
    public ushort Interval
    {
        get => (ushort)Raw.Bits(111, 96);
        init => Raw = Raw.With(111, 96, value);
    }

    /// <summary>Bits 111:96 of an unlink request: the request that shall end.</summary>
    public ushort UnlinkId
    {
        get => (ushort)Raw.Bits(111, 96);
        init => Raw = Raw.With(111, 96, value);
    }

    /// <summary>Bits 127:112 of an isochronous transfer: the frame it shall begin in; 0 for as soon as possible.</summary>
    public ushort StartFrame
    {
        get => (ushort)Raw.Bits(127, 112);
        init => Raw = Raw.With(127, 112, value);
    }

    /// <summary>Bits 143:128 of an isochronous transfer: packets.</summary>
    public ushort PacketCount
    {
        get => (ushort)Raw.Bits(143, 128);
        init => Raw = Raw.With(143, 128, value);
    }

    /// <summary>Bits 159:144 of an isochronous transfer: segments, behind those of data, that hold its <see cref="UrbPacket"/>s.</summary>
    public ushort PacketSegmentCount
    {
        get => (ushort)Raw.Bits(159, 144);
        init => Raw = Raw.With(159, 144, value);
    }

    /// <summary>Reads the head of a request from its bytes.</summary>
    public static UrbRequest Read(ReadOnlySpan<byte> bytes)
    {
        Bits256 raw = default;
        bytes[..HeadSize].CopyTo(MemoryMarshal.AsBytes(new Span<Bits256>(ref raw)));
        return new(raw);
    }

    /// <summary>Writes the head of a request.</summary>
    public void Write(Span<byte> bytes)
    {
        Bits256 raw = Raw;
        MemoryMarshal.AsBytes(new ReadOnlySpan<Bits256>(in raw))[..HeadSize].CopyTo(bytes);
    }
}
