namespace Dma.Drivers;

/// <summary>One device as its controller knows it: an address, endpoint 0, and the pipes that are open.</summary>
public interface IUsbConnection
{
    /// <summary>Where the device is.</summary>
    UsbLocation Location { get; }

    /// <summary>Its number: the address on the bus where software chooses it, else the number of its slot.</summary>
    int Number { get; }

    /// <summary>Endpoint 0.</summary>
    IUsbControlPipe Control { get; }

    /// <summary>Says how long packets of endpoint 0 are, once the device told it.</summary>
    /// <param name="bytes">8, 16, 32, 64 or 512.</param>
    /// <exception cref="DriverException">The controller does not take it.</exception>
    ValueTask SetControlPacketSize(int bytes);

    /// <summary>Gives the device an address of its own, and waits until it listens to it.</summary>
    /// <exception cref="DriverException">The device does not take it.</exception>
    ValueTask GiveAddress();

    /// <summary>Tells the controller that the device is a hub.</summary>
    /// <param name="ports">How many ports it has.</param>
    /// <param name="hasTranslatorPerPort">Whether each port has a transaction translator of its own.</param>
    /// <param name="thinkTime">What a translator needs between two transactions, less one, in units of 8 full-speed bit times.</param>
    /// <exception cref="DriverException">The controller does not take it.</exception>
    ValueTask BecomeHub(int ports, bool hasTranslatorPerPort, int thinkTime);

    /// <summary>Opens a bulk or interrupt endpoint.</summary>
    /// <param name="endpoint">What the device says of it.</param>
    /// <exception cref="DriverException">Its descriptor makes no sense, or there is no bandwidth for it.</exception>
    ValueTask<IUsbPipe> Open(UsbEndpoint endpoint);

    /// <summary>Opens a SuperSpeed bulk endpoint with its streams.</summary>
    /// <param name="endpoint">What the device says of it.</param>
    /// <returns><c>null</c> where device or controller has no streams.</returns>
    /// <exception cref="DriverException">Its descriptor makes no sense, or there is no memory for its rings.</exception>
    ValueTask<IUsbStreamPipe?> OpenStreams(UsbEndpoint endpoint) => new((IUsbStreamPipe?)null);

    /// <summary>Opens an isochronous endpoint.</summary>
    /// <param name="endpoint">What the device says of it.</param>
    /// <exception cref="DriverException">Its descriptor makes no sense, or there is no bandwidth for it.</exception>
    ValueTask<IUsbIsochronousPipe> OpenIsochronous(UsbEndpoint endpoint);

    /// <summary>Closes endpoint 0 and lets go of the device; other pipes must be closed before.</summary>
    ValueTask Release();
}
