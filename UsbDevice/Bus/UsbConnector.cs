namespace Dma.UsbDevice;

/// <summary>A connector of USB 3: two pairs of contacts, and so two root ports, of which a device uses one (USB 3.x, dual bus).</summary>
/// <remarks>
/// The wires of USB 2 and those of SuperSpeed have nothing in common but the plug. A SuperSpeed device trains its link first; where
/// there is nobody to train it with, it shows itself on the wires of USB 2, and talks at high speed.
/// </remarks>
/// <param name="usb2">The port of USB 2.</param>
/// <param name="usb3">The port of SuperSpeed.</param>
public sealed class UsbConnector(UsbPort usb2, UsbPort usb3)
{
    /// <summary>The port of USB 2.</summary>
    public UsbPort Usb2 => usb2;

    /// <summary>The port of SuperSpeed.</summary>
    public UsbPort Usb3 => usb3;

    /// <summary>The port where the device is; null where none is plugged in.</summary>
    public UsbPort? Used => usb3.Device is not null ? usb3 : usb2.Device is not null ? usb2 : null;

    /// <summary>The device in it, or null.</summary>
    public IUsbDevice? Device => Used?.Device;

    /// <summary>Whether the SuperSpeed wires lead through: not in a cable of USB 2, nor in a damaged one. A device that is plugged in moves to the other wires.</summary>
    public bool HasSuperSpeedWires
    {
        get;
        set
        {
            if (field == value)
                return;
            field = value;
            if (Unplug() is { } device)
                Plug(device);
        }
    } = true;

    /// <summary>Plugs a device in.</summary>
    /// <exception cref="InvalidOperationException">Something is plugged in already.</exception>
    public void Plug(IUsbDevice device)
    {
        if (Device is not null)
            throw new InvalidOperationException("The connector is taken.");
        (device.Speed == UsbSpeed.Super && HasSuperSpeedWires ? usb3 : usb2).Plug(device);
    }

    /// <summary>Pulls the device out.</summary>
    /// <returns>The device that was there, or null.</returns>
    public IUsbDevice? Unplug() => Used?.Unplug();
}
