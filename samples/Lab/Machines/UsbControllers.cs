using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary>The USB controllers that a person can choose by name.</summary>
internal static class UsbControllers
{
    /// <summary>EHCI, USB 2.0.</summary>
    public const string Ehci = "ehci";

    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } = [Ehci];

    /// <summary>Makes a controller.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="ports">The ports that devices are plugged into.</param>
    public static PciFunction Create(string name, EventLoop loop, out IReadOnlyList<UsbPort> ports)
    {
        if (name != Ehci)
            throw new ArgumentException($"No controller is called '{name}'.", nameof(name));
        EhciController controller = new(loop);
        ports = controller.Usb.Ports;
        return controller;
    }
}
