using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Sees every transaction of a bus, as an analyzer on the cable would, and where the controller ends a transfer.</summary>
public interface IPacketObserver
{
    /// <summary>A transaction took place.</summary>
    /// <param name="token">The token of the host.</param>
    /// <param name="dataPid">Which data packet was sent, by either side; <see cref="UsbPid.None"/> where there was none.</param>
    /// <param name="data">The data of that packet; valid only during the call.</param>
    /// <param name="handshake">The handshake of the side that was spoken to; <see cref="UsbPid.None"/> where there was none.</param>
    void Transaction(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake);

    /// <summary>A SuperSpeed device said ERDY: an endpoint that was not ready is.</summary>
    /// <param name="endpoint">Device, endpoint, direction and stream, as the token that was not taken had them.</param>
    void EndpointReady(in UsbToken endpoint)
    {
    }

    /// <summary>The controller has ended a transfer: what software asked for in one piece.</summary>
    /// <param name="token">The token of its last transaction.</param>
    /// <param name="type">Which kind of transfer; the bus itself cannot tell bulk from interrupt.</param>
    /// <param name="outcome">How it ended.</param>
    void TransferEnded(in UsbToken token, TransferType type, TransferOutcome outcome)
    {
    }
}
