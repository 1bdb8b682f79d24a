using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>At which speed a device was recorded, as far as its descriptors tell.</summary>
internal static class RecordedSpeed
{
    private const int SuperSpeedVersion = 0x0300;
    private const int HighSpeedVersion = 0x0200;
    private const int HighSpeedPacket0 = 64;
    private const int HighSpeedBulk = 512;
    private const int LowSpeedPacket = 8;
    private const byte SuperSpeedExponent = 9;

    /// <summary>The fastest speed that nothing rules out.</summary>
    /// <param name="device">The device.</param>
    /// <param name="configurations">Its configurations, checked.</param>
    public static UsbSpeed Of(in DeviceDescriptor device, IReadOnlyList<byte[]> configurations)
    {
        if (device is { UsbVersion: >= SuperSpeedVersion, MaxPacketSize0: SuperSpeedExponent })
            return UsbSpeed.Super;
        EndpointDescriptor[] endpoints = [.. configurations.SelectMany(EndpointsOf)];
        if (device is { UsbVersion: >= HighSpeedVersion, MaxPacketSize0: HighSpeedPacket0 }
            && endpoints.All(static endpoint => endpoint.TransferType != TransferType.Bulk || endpoint.MaxPacketSize == HighSpeedBulk))
        {
            return UsbSpeed.High;
        }

        bool isLow = device is { UsbVersion: < HighSpeedVersion, MaxPacketSize0: LowSpeedPacket }
            && endpoints.All(static endpoint => endpoint is { TransferType: TransferType.Interrupt, MaxPacketSize: <= LowSpeedPacket });
        return isLow ? UsbSpeed.Low : UsbSpeed.Full;
    }

    private static IEnumerable<EndpointDescriptor> EndpointsOf(byte[] configuration)
    {
        for (int at = 0; at < configuration.Length; at += configuration[at])
        {
            if (configuration[at + 1] == (byte)DescriptorType.Endpoint)
                yield return Packed.Read<EndpointDescriptor>(configuration.AsSpan(at, EndpointDescriptor.Size));
        }
    }
}
