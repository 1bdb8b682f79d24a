using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>One device on a USB bus of the host, or of a service VM that has the controller: its drivers let it go, and whoever mediates for a guest talks to it.</summary>
/// <remarks>
/// The host keeps the address of the device, and the endpoints that its controller serves: SET_CONFIGURATION, SET_INTERFACE
/// and CLEAR_FEATURE of a halt go through <see cref="Request"/> like any request, and the stack does its own part with them.
/// </remarks>
public interface IHostUsbDevice
{
    /// <summary>Where it is, for people.</summary>
    string Name { get; }

    /// <summary>The controller that it is behind.</summary>
    IUsbStack Controller { get; }

    /// <summary>At which speed it talks.</summary>
    UsbSpeed Speed { get; }

    /// <summary>The driver of the host lets the device go, and its configuration is released.</summary>
    /// <returns><c>false</c> where it is in use; nothing changed then.</returns>
    ValueTask<bool> LogOut();

    /// <summary>Resets its port: it has an address of the host again, and no configuration.</summary>
    /// <returns><c>false</c> where it did not come back.</returns>
    ValueTask<bool> Reset();

    /// <summary>The driver of the host takes the device, which was just reset, back.</summary>
    /// <returns><c>false</c> where it does not work with it.</returns>
    ValueTask<bool> LogIn();

    /// <summary>The kind of an endpoint in the setting that is chosen; null where there is none.</summary>
    /// <param name="endpoint">bEndpointAddress.</param>
    TransferType? TypeOf(byte endpoint);

    /// <summary>Bytes in a full packet of an endpoint; 0 where there is none.</summary>
    /// <param name="endpoint">bEndpointAddress; 0 for endpoint 0.</param>
    int PacketBytesOf(byte endpoint);

    /// <summary>From one packet of an isochronous endpoint to the next, in nanoseconds, and the number that packets of a transfer are a multiple of.</summary>
    /// <param name="endpoint">bEndpointAddress, of an isochronous endpoint.</param>
    (ulong IntervalNs, int PacketMultiple, int PacketBytesMax) RhythmOf(byte endpoint);

    /// <summary>Makes a request of endpoint 0.</summary>
    /// <param name="setup">The request; not SET_ADDRESS, which is the host's own.</param>
    /// <param name="data">Its data, at least as long as it says; null where it has none.</param>
    ValueTask<HostUsbResult> Request(SetupPacket setup, HostUsbBuffer? data);

    /// <summary>Moves data through a bulk or interrupt endpoint; there is no end to how long it waits.</summary>
    /// <param name="endpoint">bEndpointAddress.</param>
    /// <param name="data">The data.</param>
    ValueTask<HostUsbResult> Transfer(byte endpoint, HostUsbBuffer data);

    /// <summary>Moves packets through an isochronous endpoint, behind those that are queued.</summary>
    /// <param name="endpoint">bEndpointAddress.</param>
    /// <param name="data">The data.</param>
    /// <param name="packets">Where in it each packet lies, one behind the other; how each went is written into them.</param>
    ValueTask<HostUsbResult> TransferPackets(byte endpoint, HostUsbBuffer data, HostUsbPacket[] packets);

    /// <summary>Calls off what runs and waits on a bulk or interrupt endpoint: it ends as <see cref="HostUsbStatus.Canceled"/>.</summary>
    /// <param name="endpoint">bEndpointAddress.</param>
    void Cancel(byte endpoint);
}
