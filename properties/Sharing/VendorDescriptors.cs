using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Descriptors of high-speed test devices: one configuration with one interface that has some endpoints.</summary>
internal static class VendorDescriptors
{
    /// <summary>Puts them together.</summary>
    /// <param name="productId">Which device it is.</param>
    /// <param name="endpoints">Its endpoints: address, type, bytes of a packet, interval.</param>
    public static DescriptorSet Describe(ushort productId, params (int Address, TransferType Type, int Bytes, byte Interval)[] endpoints)
    {
        ConfigurationDescriptor head = new() { Length = ConfigurationDescriptor.Size, Type = DescriptorType.Configuration, InterfaceCount = 1, Value = 1 };
        InterfaceDescriptor face = new()
        {
            Length = InterfaceDescriptor.Size,
            Type = DescriptorType.Interface,
            EndpointCount = (byte)endpoints.Length,
            Class = DeviceClass.VendorSpecific,
        };
        List<byte> bytes = [.. Packed.ToArray(head, ConfigurationDescriptor.Size), .. Packed.ToArray(face, InterfaceDescriptor.Size)];
        foreach ((int address, TransferType type, int packetBytes, byte interval) in endpoints)
        {
            EndpointDescriptor endpoint = new()
            {
                Length = EndpointDescriptor.Size,
                Type = DescriptorType.Endpoint,
                Address = (byte)address,
                TransferType = type,
                MaxPacketSize = packetBytes,
                Interval = interval,
            };
            bytes.AddRange(Packed.ToArray(endpoint, EndpointDescriptor.Size));
        }

        return new(new DeviceDescriptor { UsbVersion = 0x0200, MaxPacketSize0 = 64, VendorId = 0x1209, ProductId = productId }, [[.. bytes]], []);
    }
}
