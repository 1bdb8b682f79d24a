using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A hub that talks to full- and low-speed devices on behalf of a host that talks to it at high speed (USB 2.0, transaction translator).</summary>
/// <remarks>It is asked like a device, one packet at a time; <see cref="UsbToken.Split"/> says for which of its ports.</remarks>
public interface ITransactionTranslator
{
    /// <summary>A start-split: the transaction is to be done on the bus below.</summary>
    /// <param name="token">The token, with its SPLIT packet.</param>
    /// <param name="dataPid">Which data packet came with a SETUP or OUT; none with an IN.</param>
    /// <param name="data">The bytes of that packet.</param>
    /// <returns>ACK or NAK for control and bulk; silence for periodic endpoints, which get no handshake.</returns>
    UsbReply StartSplit(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data);

    /// <summary>A complete-split: how did it go?</summary>
    /// <param name="token">The token, with its SPLIT packet.</param>
    /// <param name="packet">Room for the packet, at least 1024 bytes.</param>
    /// <returns>What the device answered, NYET where that is not known yet, MDATA for part of the data, or ERR.</returns>
    UsbReply CompleteSplit(in UsbToken token, Span<byte> packet);
}
