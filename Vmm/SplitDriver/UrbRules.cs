using Dma.Hal.Spec;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>What a request of a front end must keep to. Everything in it may be anything.</summary>
internal static class UrbRules
{
    /// <summary>The most packets of an isochronous transfer: as many descriptors as a page holds.</summary>
    public const int PacketsMax = SharedRing.PageBytes / UrbPacket.Size;

    /// <summary>How many segments a request says that it has; more than there is room for where it lies.</summary>
    public static int SegmentsOf(UrbRequest request) =>
        request.SegmentCount + (request.Pipe.Type == UrbType.Isochronous && !request.Pipe.Unlink ? request.PacketSegmentCount : 0);

    /// <summary>Judges a request for a device that is there.</summary>
    /// <returns><see cref="UrbStatus.Ok"/> where it can be tried.</returns>
    public static UrbStatus Check(UrbWork work)
    {
        UrbRequest request = work.Request;
        if (!TryMeasure(work.Data.Span, out int bytes) || bytes != request.Length)
            return UrbStatus.Invalid;
        if (request.Pipe.Type == UrbType.Control)
        {
            // The length of the data is said twice; a device that is asked for more than there is room for would write beyond it.
            SetupPacket setup = new(new(request.Setup));
            return request.Pipe.Endpoint == 0 && setup.Length == bytes ? UrbStatus.Ok : UrbStatus.Invalid;
        }

        if (request.Pipe.Endpoint == 0 || work.Port.Device.TypeOf(work.Endpoint) is not { } type || !Fits(type, request.Pipe.Type))
            return UrbStatus.Invalid;
        if (bytes == 0)
            return UrbStatus.Invalid;
        if (request.Pipe.Type != UrbType.Isochronous)
            return UrbStatus.Ok;
        return TryMeasure(work.Packets.Span, out int described)
            && request.PacketCount is not 0 and <= PacketsMax
            && described == request.PacketCount * UrbPacket.Size
            ? UrbStatus.Ok
            : UrbStatus.Invalid;
    }

    /// <summary>Judges the packets of an isochronous transfer, read from the guest's memory as a copy.</summary>
    /// <param name="packets">What the guest says.</param>
    /// <param name="bytes">Bytes of data.</param>
    /// <param name="packetBytesMax">What the endpoint takes.</param>
    /// <param name="multiple">What the number of packets must be a multiple of.</param>
    public static bool AreInOrder(ReadOnlySpan<UrbPacket> packets, int bytes, int packetBytesMax, int multiple)
    {
        ulong end = 0;
        foreach (UrbPacket packet in packets)
        {
            if (packet.Offset < end || packet.Length > (ulong)packetBytesMax || (ulong)packet.Offset + packet.Length > (ulong)bytes)
                return false;
            end = (ulong)packet.Offset + packet.Length;
        }

        return packets.Length % multiple == 0;
    }

    /// <summary>Adds up pieces, each of which lies in one page.</summary>
    /// <returns><c>false</c> where one does not, or is empty.</returns>
    public static bool TryMeasure(ReadOnlySpan<UrbSegment> segments, out int bytes)
    {
        bytes = 0;
        foreach (UrbSegment segment in segments)
        {
            if (segment.Length == 0 || segment.Offset + segment.Length > SharedRing.PageBytes)
                return false;
            bytes += segment.Length;
        }

        return true;
    }

    private static bool Fits(TransferType type, UrbType asked) => (type, asked) switch
    {
        (TransferType.Bulk, UrbType.Bulk) or (TransferType.Interrupt, UrbType.Interrupt) or (TransferType.Isochronous, UrbType.Isochronous) => true,
        _ => false,
    };
}
