using Dma.Machine;

namespace Dma.Hal;

/// <summary>All that a driver is given of its device. A driver knows nothing else, and so runs wherever a HAL does.</summary>
public interface IDevice
{
    /// <summary>Its PCI configuration space.</summary>
    IConfigurationAccess Configuration { get; }

    /// <summary>Its registers behind a base address register.</summary>
    /// <param name="bar">0 to 5.</param>
    /// <exception cref="DeviceException">The device has no memory window there.</exception>
    IRegisterWindow OpenBar(int bar);

    /// <summary>Its interrupt, already routed to this processor; the driver turns causes on and off in the device.</summary>
    IInterruptLine Interrupt { get; }

    /// <summary>Memory that the device can reach.</summary>
    IDmaSpace Dma { get; }

    /// <summary>Time.</summary>
    Processor Processor { get; }
}

/// <summary>A device that is not what a driver or the HAL needs: not there, without a window, or broken.</summary>
public sealed class DeviceException : Exception
{
    /// <summary>A device with no explanation.</summary>
    public DeviceException()
    {
    }

    /// <summary>A device with an explanation.</summary>
    public DeviceException(string message)
        : base(message)
    {
    }

    /// <summary>A device with an explanation and what led to it.</summary>
    public DeviceException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
