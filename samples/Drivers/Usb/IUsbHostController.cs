using Dma.Hal;
using Dma.Machine;

namespace Dma.Drivers;

/// <summary>What drivers of devices need of a host controller, whichever kind it is; its own ports are those of a hub.</summary>
/// <remarks>
/// A device is found in three steps. <see cref="IUsbHub.ResetPort"/> brings it to address 0, where only one device of
/// a bus may be: who holds <see cref="AddressZero"/> may do that. <see cref="Connect"/> opens the way to its endpoint 0.
/// Its <see cref="IUsbConnection.GiveAddress"/> then frees address 0 for the next one.
/// </remarks>
public interface IUsbHostController : IUsbHub
{
    /// <summary>Memory for buffers, and their mappings.</summary>
    IDmaSpace Memory { get; }

    /// <summary>Time.</summary>
    Processor Processor { get; }

    /// <summary>Whether the controller stopped by itself, and only a new start brings it back.</summary>
    bool HasStopped { get; }

    /// <summary>Lets in who wants to have a device at address 0.</summary>
    Gate AddressZero { get; }

    /// <summary>Opens the way to a device that was reset a moment ago and answers at address 0.</summary>
    /// <param name="location">From <see cref="IUsbHub.ResetPort"/>.</param>
    /// <exception cref="DriverException">The controller does not take one more device.</exception>
    ValueTask<IUsbConnection> Connect(UsbLocation location);

    /// <summary>Stops the controller and gives its memory back. No pipe may be used afterwards.</summary>
    ValueTask Stop();
}
