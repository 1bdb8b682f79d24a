namespace Dma.UsbDevice;

/// <summary>The controller or hub that a port belongs to.</summary>
public interface IPortOwner
{
    /// <summary>A device was plugged into the port or pulled out of it.</summary>
    void PortChanged(UsbPort port);

    /// <summary>A suspended device signals that it wants to wake the host.</summary>
    void WakeSignalled(UsbPort port);

    /// <summary>A SuperSpeed device said ERDY: an endpoint that was not ready is.</summary>
    /// <param name="port">The port.</param>
    /// <param name="endpoint">Device, endpoint, direction and stream, as the token that was not taken had them.</param>
    void EndpointReady(UsbPort port, in UsbToken endpoint)
    {
    }

    /// <summary>The device talked on when the microframe or frame was over; an owner that notices shuts the port.</summary>
    void Babbled(UsbPort port)
    {
    }
}
