namespace Dma.UsbDevice;

/// <summary>A device made of software that stands for another one, and can have the data of a transfer moved straight from or to the memory that software gave the controller.</summary>
/// <remarks>
/// No wire could do that: packets come and go as ever, and the controller only leaves out their data. While a transfer runs that way,
/// somebody else uses the memory. Before a controller tells software that it uses some no more, the device has to let go of it
/// (<see cref="UsbBus.TryLetGo"/>).
/// </remarks>
public interface IDirectDevice : IUsbDevice
{
    /// <summary>An OUT or IN token of a transfer whose data the controller need not touch.</summary>
    /// <param name="token">The token.</param>
    /// <param name="toggle">Whether the controller is at DATA1.</param>
    /// <param name="length">Bytes of this packet.</param>
    /// <param name="pages">Where the bytes of the transfer lie, these first.</param>
    /// <returns>
    /// The answer: a handshake, or for an IN token data that lies where it belongs already; null where the packet has to carry its
    /// data, which is then asked for as usual.
    /// </returns>
    UsbReply? Move(in UsbToken token, bool toggle, int length, TransferPages pages);

    /// <summary>Begins to let go of memory.</summary>
    /// <param name="polledIn">Transfers that were asked about in this round go on; null to end all.</param>
    void LetGo(uint? polledIn);
}
