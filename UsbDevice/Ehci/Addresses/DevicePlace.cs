namespace Dma.UsbDevice;

/// <summary>Where a device is plugged in, as far as the controller can tell.</summary>
/// <param name="Port">The root port, from 0 on; -1 where it can be any of its set.</param>
/// <param name="Hub">The address on the bus of the hub that it is behind; 0 where it is plugged into the root port.</param>
/// <param name="HubPort">The port of that hub, from 1 on.</param>
public readonly record struct DevicePlace(int Port, byte Hub = 0, byte HubPort = 0)
{
    /// <summary>Nobody knows where.</summary>
    public static DevicePlace Anywhere => new(-1);
}
