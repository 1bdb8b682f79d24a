using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary>The USB controllers that a person can choose by name.</summary>
internal static class UsbControllers
{
    /// <summary>EHCI, USB 2.0.</summary>
    public const string Ehci = "ehci";

    /// <summary>xHCI, USB 2.0 and 3.0.</summary>
    public const string Xhci = "xhci";

    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } = [Ehci, Xhci];

    /// <summary>How a person writes the name of a controller.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    public static string TitleOf(string name) => name == Xhci ? "xHCI" : "EHCI";

    /// <summary>Makes a controller.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="ports">How many root ports it has for devices of USB 2.</param>
    public static UsbController Create(string name, EventLoop loop, int ports = 4)
    {
        switch (name)
        {
            case Ehci:
                EhciController ehci = new(loop, new() { PortCount = ports });
                return new(ehci, [("usb1", ehci.Usb)], _ => ehci.Usb.Ports.FirstOrDefault(port => port.Device is null));
            case Xhci:
                XhciController xhci = new(loop, new() { Usb2PortCount = ports });

                // At each root port begins a bus with addresses of its own. A SuperSpeed device needs a port of USB 3, others one of USB 2.
                return new(
                    xhci,
                    [.. xhci.Buses.Select((bus, index) => ($"usb{index + 1}", bus))],
                    speed => xhci.Ports.FirstOrDefault(port => port.Device is null && (port.Bus!.Speed == UsbSpeed.Super) == (speed == UsbSpeed.Super)));
            default:
                throw new ArgumentException($"No controller is called '{name}'.", nameof(name));
        }
    }
}
