using Dma.Drivers;
using Dma.Hal;

namespace Dma.Lab;

/// <summary>Software of a VM that sends on endpoints of a setting that it never asked for, as no driver should.</summary>
internal static class LyingGuest
{
    private const int Packets = 64;

    /// <summary>Begins; it ends when the controller stops.</summary>
    /// <param name="controller">The driver of its controller.</param>
    /// <param name="device">A device with isochronous endpoints.</param>
    /// <param name="setting">A setting of its first interface, one that sends to the device.</param>
    /// <param name="pipes">How often in each microframe.</param>
    public static async Task Start(EhciDriver controller, UsbDeviceHandle device, byte setting, int pipes)
    {
        UsbEndpoint endpoint = device.Configuration.Interfaces.First(face => face.Descriptor.AlternateSetting == setting).Endpoints[0];
        for (int number = 0; number < pipes; number++)
        {
            // Two rows of packets for each: one is under way, the other one queued.
            IUsbIsochronousPipe pipe = await device.Connection.OpenIsochronous(endpoint);
            controller.Processor.Loop.Start(() => Flood(controller, pipe));
            controller.Processor.Loop.Start(() => Flood(controller, pipe));
        }
    }

    private static async Task Flood(EhciDriver controller, IUsbIsochronousPipe pipe)
    {
        MemoryBuffer buffer = controller.Memory.Allocate(Packets * pipe.PacketBytesMax);
        DmaMapResult mapped = await controller.Memory.Map(buffer, DmaDirection.ToDevice);
        while (!controller.HasStopped)
        {
            IsochronousPacket[] packets = [.. Enumerable.Range(0, Packets).Select(index => new IsochronousPacket(index * pipe.PacketBytesMax, pipe.PacketBytesMax))];
            _ = await pipe.Transfer(mapped.Mapping, packets);
        }
    }
}
