namespace Dma.UsbDevice;

/// <summary>Whom a root port tells of what happens at it.</summary>
internal interface IRootPortEvents
{
    /// <summary>A change bit rose while none was set.</summary>
    /// <param name="index">The port, from 0 on.</param>
    void StatusChanged(int index);

    /// <summary>A device said ERDY.</summary>
    /// <param name="port">Where.</param>
    /// <param name="endpoint">Device, endpoint, direction and stream.</param>
    void EndpointReady(RootPort port, in UsbToken endpoint);

    /// <summary>Something came from outside, at a moment that software did not choose; the controller looks at its plans again.</summary>
    void PortActed();
}
