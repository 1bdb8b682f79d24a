using Dma.Hal;

namespace Dma.Drivers;

/// <summary>The way to a SuperSpeed bulk endpoint with streams: each stream is a queue of its own, and the device chooses whose turn it is.</summary>
public interface IUsbStreamPipe
{
    /// <summary>How many streams there are; they are numbered from 1.</summary>
    int Streams { get; }

    /// <summary>Moves data of one stream. Transfers of different streams run side by side; those of one wait for each other.</summary>
    /// <param name="stream">The stream, 1 to <see cref="Streams"/>.</param>
    /// <param name="data">What the device may reach, at most <see cref="UsbLimits.TransferBytesMax"/>.</param>
    /// <param name="timeoutNs">How long it may take, in nanoseconds.</param>
    ValueTask<TransferResult> Transfer(int stream, DmaMapping data, ulong timeoutNs);

    /// <summary>Ends the transfer of a stream that runs, as <see cref="TransferStatus.Canceled"/>: the device will not serve it any more.</summary>
    /// <param name="stream">The stream.</param>
    void Cancel(int stream);

    /// <summary>Closes the pipe; transfers that still run end as <see cref="TransferStatus.Canceled"/>.</summary>
    ValueTask Close();
}
