using Dma.Drivers;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A computer on which a guest has a device by a modelled EHCI controller whose bulk data goes straight to its pages.</summary>
internal interface IDirectGround : IDisposable
{
    /// <summary>The host.</summary>
    Host Host { get; }

    /// <summary>The guest; its controller is at 00:04.0.</summary>
    VirtualMachine Guest { get; }

    /// <summary>The process that models its controller.</summary>
    UserLevelMonitor Monitor { get; }

    /// <summary>Starts all but the driver of the guest.</summary>
    /// <param name="device">The device.</param>
    Task Start(IUsbDevice device);

    /// <summary>Starts the driver of the guest.</summary>
    Task<IUsbHostController> StartGuest();

    /// <summary>Takes the device from the guest.</summary>
    ValueTask Detach();

    /// <summary>Ends the service VM, or the process where there is none.</summary>
    ValueTask Crash();

    /// <summary>Sees whether others are as well as before.</summary>
    Task CheckOthers();
}
