using Dma.Hal;

namespace Dma.Drivers;

/// <summary>The way to an isochronous endpoint: a packet in each of its intervals, on time or not at all.</summary>
/// <remarks>
/// A transfer is a row of packets. It begins in the interval behind the transfer before, so whoever always has some of
/// them queued, for 4 ms at least, misses none; where nothing is queued, it begins as soon as it can.
/// </remarks>
public interface IUsbIsochronousPipe
{
    /// <summary>From one packet to the next, in nanoseconds.</summary>
    ulong IntervalNs { get; }

    /// <summary>The most bytes in a packet; all transactions of an interval together are one packet here.</summary>
    int PacketBytesMax { get; }

    /// <summary>The number of packets in a transfer is a multiple of this.</summary>
    int PacketMultiple { get; }

    /// <summary>The most packets in a transfer.</summary>
    int PacketsMax { get; }

    /// <summary>Queues a transfer and waits for its last packet.</summary>
    /// <param name="data">What the device may reach.</param>
    /// <param name="packets">Where in it each packet lies, one behind the other; how each went is written into them.</param>
    ValueTask<IsochronousResult> Transfer(DmaMapping data, IsochronousPacket[] packets);

    /// <summary>Closes the pipe; transfers that are still queued end as <see cref="TransferStatus.Canceled"/>.</summary>
    ValueTask Close();
}

/// <summary>One packet of an isochronous transfer.</summary>
/// <param name="Offset">Where in the buffer it begins.</param>
/// <param name="Length">Bytes to send, or room for what comes.</param>
public record struct IsochronousPacket(int Offset, int Length)
{
    /// <summary>How it went; <see cref="TransferStatus.None"/> where its interval passed without it.</summary>
    public TransferStatus Status { get; set; }

    /// <summary>Bytes that were moved.</summary>
    public int Moved { get; set; }
}

/// <summary>How an isochronous transfer went as a whole.</summary>
/// <param name="Status"><see cref="TransferStatus.Completed"/> where its time came and went, whatever became of each packet.</param>
/// <param name="IntervalsSkipped">Intervals between the transfer before and this one, in which nothing was queued.</param>
public readonly record struct IsochronousResult(TransferStatus Status, int IntervalsSkipped);
