using Dma.Hal;
using Dma.Hal.Spec;

namespace Dma.Drivers;

/// <summary>A buffer as a back end is told of it: a segment for each page, by its grant.</summary>
internal static class ParavirtualSegments
{
    private const int PageBytes = SharedRing.PageBytes;

    /// <summary>How many bytes of a buffer fit into one request.</summary>
    /// <param name="data">The buffer.</param>
    /// <param name="offset">Where in it they begin.</param>
    /// <param name="multiple">What the number is a multiple of, unless it is all that is left: a packet must not be split.</param>
    public static int Fitting(DmaMapping data, int offset, int multiple)
    {
        int inPage = (int)((data.DeviceAddress.Value + (ulong)offset) % PageBytes);
        int room = Math.Min((UrbRequest.SegmentsMax * PageBytes) - inPage, ushort.MaxValue);
        return data.Length - offset <= room ? data.Length - offset : room - (room % multiple);
    }

    /// <summary>The segments of a part of a buffer.</summary>
    public static UrbSegment[] Of(DmaMapping data, int offset, int length)
    {
        List<UrbSegment> segments = [];
        while (length != 0)
        {
            ulong address = data.DeviceAddress.Value + (ulong)offset;
            int inPage = (int)(address % PageBytes);
            int step = Math.Min(length, PageBytes - inPage);
            segments.Add(new() { Grant = GrantDmaSpace.GrantOf(new(address)), Offset = (ushort)inPage, Length = (ushort)step });
            (offset, length) = (offset + step, length - step);
        }

        return [.. segments];
    }

    /// <summary>How a transfer ended.</summary>
    public static TransferStatus StatusOf(UrbStatus status) => status switch
    {
        UrbStatus.Ok => TransferStatus.Completed,
        UrbStatus.Stall => TransferStatus.Stalled,
        UrbStatus.Babble => TransferStatus.Babble,
        UrbStatus.Unlinked => TransferStatus.Canceled,
        UrbStatus.Invalid => TransferStatus.Rejected,
        UrbStatus.Shutdown => TransferStatus.ControllerStopped,
        _ => TransferStatus.NoAnswer,
    };
}
