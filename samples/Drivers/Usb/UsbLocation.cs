namespace Dma.Drivers;

/// <summary>Where a device hangs, as its controller has to know it.</summary>
/// <param name="RootPort">The port of the controller through which it is reached, from 1.</param>
/// <param name="Route">The ports of the hubs on the way, four bits each, that of the hub next to the controller lowest (USB 3.x, route string); 0 at a root port.</param>
/// <param name="Speed">At which speed it talks.</param>
/// <param name="Translator">Who repeats its packets where it is slower than the bus; null where nobody has to.</param>
public sealed record UsbLocation(int RootPort, uint Route, DeviceSpeed Speed, UsbTranslator? Translator)
{
    /// <summary>How many hubs may stand between a controller and a device.</summary>
    public const int TiersMax = 5;

    /// <summary>How many hubs are on the way.</summary>
    public int Tier
    {
        get
        {
            int tier = 0;
            for (uint rest = Route; rest != 0; rest >>= 4)
                tier++;
            return tier;
        }
    }

    /// <summary>The place of a device behind a port of the hub that is here.</summary>
    /// <param name="port">The port of the hub, from 1; ports from 15 on share a number, as the route string asks.</param>
    /// <param name="speed">The speed of the device.</param>
    /// <param name="translator">Its translator.</param>
    public UsbLocation Behind(int port, DeviceSpeed speed, UsbTranslator? translator) =>
        new(RootPort, Route | ((uint)Math.Min(port, 15) << (4 * Tier)), speed, translator);
}

/// <summary>The transaction translator of a high-speed hub: it repeats packets to devices that are slower than the bus.</summary>
/// <param name="Hub">The hub as its controller knows it.</param>
/// <param name="Port">The port of the hub behind which the device is, directly or behind more hubs, from 1.</param>
/// <param name="IsOfPort">Whether each port of the hub has a translator of its own.</param>
public sealed record UsbTranslator(IUsbConnection Hub, int Port, bool IsOfPort);
