using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary>A USB controller of either kind, as far as plugging devices in and watching its buses goes.</summary>
/// <param name="Function">The controller, as a PCI function.</param>
/// <param name="Buses">Its buses, each with a name.</param>
/// <param name="FreePortFor">A root port where a device of a speed works, and that is empty; null where there is none.</param>
internal sealed record UsbController(
    PciFunction Function, IReadOnlyList<(string Name, UsbBus Bus)> Buses, Func<UsbSpeed, UsbPort?> FreePortFor)
{
    /// <summary>In which root port a device is, counted from 1 over all buses, as the driver of the controller does; 0 for none.</summary>
    public int PortOf(IUsbDevice device)
    {
        UsbPort[] ports = [.. Buses.SelectMany(bus => bus.Bus.Ports)];
        return 1 + Array.FindIndex(ports, port => port.Device == device);
    }

    /// <summary>Plugs in what a person named, each at the next port that suits it.</summary>
    /// <param name="named">The words.</param>
    /// <param name="devices">Who makes the devices.</param>
    /// <returns>What keeps a device from being plugged in; empty where all are.</returns>
    public string Plug(IEnumerable<string> named, UsbDeviceFactory devices)
    {
        foreach (string text in named)
        {
            if (!devices.TryCreate(text, out IUsbDevice? device, out string problem))
                return problem;
            if (FreePortFor(device.Speed) is not { } port)
                return $"The controller has no port left for '{text}'.";
            port.Plug(device);
        }

        return "";
    }

    /// <summary>Begins a capture of all its buses.</summary>
    /// <param name="file">Where it goes; null for no capture.</param>
    /// <param name="loop">Whose time it is.</param>
    public UsbCapture? Capture(Stream? file, EventLoop loop)
    {
        if (file is null)
            return null;
        UsbCapture capture = new(file, loop);
        foreach ((string name, UsbBus bus) in Buses)
            capture.Watch(bus, name);
        return capture;
    }
}
