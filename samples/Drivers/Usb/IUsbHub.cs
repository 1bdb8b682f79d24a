namespace Dma.Drivers;

/// <summary>Ports into which devices are plugged: those of a controller, or those of a hub further down.</summary>
public interface IUsbHub
{
    /// <summary>The controller above.</summary>
    IUsbHostController Controller { get; }

    /// <summary>How many ports there are; they are numbered from 1.</summary>
    int PortCount { get; }

    /// <summary>Waits for a device at a port and resets it, so that it answers at address 0.</summary>
    /// <param name="port">From 1.</param>
    /// <returns>Where it is.</returns>
    /// <exception cref="DriverException">Nothing is there, or it cannot be served through this port.</exception>
    ValueTask<UsbLocation> ResetPort(int port);
}
