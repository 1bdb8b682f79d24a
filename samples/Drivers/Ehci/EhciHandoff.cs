using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>Takes the controller from the firmware that may have used it for a keyboard until now.</summary>
internal static class EhciHandoff
{
    private const ulong MillisecondNs = 1_000_000;
    private const byte LegacySupportId = 1;
    private const int FirstCapability = 0x40;
    private const int CommandRegister = 0x04;
    private const uint MemorySpaceAndBusMaster = 0b110;

    /// <summary>Turns the function on and becomes its owner.</summary>
    public static async ValueTask TakeOver(IDevice device)
    {
        IConfigurationAccess configuration = device.Configuration;
        configuration.Write(CommandRegister, 2, configuration.Read(CommandRegister, 2) | MemorySpaceAndBusMaster);

        CapabilityParameters parameters = new(new(device.OpenBar(0).Read32(EhciCapabilityOffsets.CapabilityParameters)));
        int offset = parameters.ExtendedCapabilities;

        // A list of at most 48 doublewords fits; one that is longer runs in a circle.
        for (int steps = 0; offset >= FirstCapability && offset % 4 == 0 && steps < 48; steps++)
        {
            LegacySupport support = new(new(configuration.Read(offset, 4)));
            if (support.CapabilityId == LegacySupportId)
            {
                await Claim(device, offset);
                return;
            }

            offset = support.Next;
        }
    }

    private static async ValueTask Claim(IDevice device, int offset)
    {
        LegacySupport Read() => new(new(device.Configuration.Read(offset, 4)));

        device.Configuration.Write(offset, 4, (Read() with { SystemOwned = true }).Raw.Value);
        for (int waitedMs = 0; Read().FirmwareOwned; waitedMs += 10)
        {
            if (waitedMs >= 1000)
            {
                // Firmware that does not let go is pushed out, and its system management interrupts are turned off.
                device.Configuration.Write(offset, 4, (Read() with { FirmwareOwned = false }).Raw.Value);
                device.Configuration.Write(offset + 4, 4, 0);
                return;
            }

            await device.Processor.Delay(10 * MillisecondNs);
        }
    }
}
