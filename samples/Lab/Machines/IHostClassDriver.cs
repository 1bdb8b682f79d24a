using Dma.Drivers;

namespace Dma.Lab;

/// <summary>A driver of the host for one kind of USB device.</summary>
public interface IHostClassDriver
{
    /// <summary>Lets go of the device.</summary>
    /// <returns><c>false</c> where somebody uses it; nothing changed then.</returns>
    ValueTask<bool> Unbind();

    /// <summary>Takes a device that was enumerated.</summary>
    /// <param name="device">The device; its first configuration is set.</param>
    /// <exception cref="DriverException">It is not of this kind, or does not answer.</exception>
    ValueTask Bind(UsbDeviceHandle device);
}
