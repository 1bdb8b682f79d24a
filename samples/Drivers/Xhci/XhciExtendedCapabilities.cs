using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The extended capabilities: a list in register space of what a controller has besides.</summary>
internal static class XhciExtendedCapabilities
{
    private const ulong MillisecondNs = 1_000_000;
    private const int CommandRegister = 0x04;
    private const uint MemorySpaceAndBusMaster = 0b110;

    /// <summary>A list longer than this runs in a circle.</summary>
    private const int StepsMax = 256;

    /// <summary>Turns the function on and takes it from the firmware that may have used it for a keyboard until now.</summary>
    public static async ValueTask TakeOver(IDevice device)
    {
        IConfigurationAccess configuration = device.Configuration;
        configuration.Write(CommandRegister, 2, configuration.Read(CommandRegister, 2) | MemorySpaceAndBusMaster);
        IRegisterWindow window = device.OpenBar(0);
        foreach (int offset in Find(window, XhciExtendedId.LegacySupport))
            await Claim(device, window, offset);
    }

    /// <summary>What Enable Slot is given for a device at each root port, from index 1 on.</summary>
    /// <param name="device">The controller.</param>
    /// <param name="ports">How many ports it has.</param>
    public static int[] SlotTypes(IDevice device, int ports)
    {
        IRegisterWindow window = device.OpenBar(0);
        int[] types = new int[ports + 1];
        foreach (int offset in Find(window, XhciExtendedId.SupportedProtocol))
        {
            ulong low = window.Read32(offset) | ((ulong)window.Read32(offset + 4) << 32);
            ulong high = window.Read32(offset + 8) | ((ulong)window.Read32(offset + 12) << 32);
            SupportedProtocol protocol = new(new Bits128(low, high));
            for (int port = protocol.FirstPort; port < protocol.FirstPort + protocol.PortCount && port <= ports; port++)
                types[port] = protocol.SlotType;
        }

        return types;
    }

    private static IEnumerable<int> Find(IRegisterWindow window, XhciExtendedId id)
    {
        int step = new XhciCapabilityParameters1(new(window.Read32(XhciCapabilityOffsets.CapabilityParameters1))).ExtendedCapabilities;
        int offset = 0;
        for (int steps = 0; step != 0 && steps < StepsMax; steps++)
        {
            offset += 4 * step;
            XhciExtendedCapability capability = new(new(window.Read32(offset)));
            if (capability.Id == id)
                yield return offset;
            step = capability.Next;
        }
    }

    private static async ValueTask Claim(IDevice device, IRegisterWindow window, int offset)
    {
        XhciLegacySupport Read() => new(new(window.Read32(offset)));

        window.Write32(offset, (Read() with { SystemOwned = true }).Raw.Value);
        for (int waitedMs = 0; Read().FirmwareOwned; waitedMs += 10)
        {
            if (waitedMs >= 1000)
            {
                // Firmware that does not let go is pushed out.
                window.Write32(offset, (Read() with { FirmwareOwned = false }).Raw.Value);
                break;
            }

            await device.Processor.Delay(10 * MillisecondNs);
        }

        // Its system management interrupts are turned off, and what is pending of them is cleared.
        window.Write32(offset + 4, new XhciLegacyControl { Ownership = true, Command = true, Bar = true }.Raw.Value);
    }
}
