using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A device whose every packet has a number: one that is lost, doubled or out of order is found out.</summary>
internal sealed class CountingDevice(byte tag) : StandardDevice(UsbSpeed.High, s_descriptors)
{
    public const byte AskCount = 1;

    private const int BulkIn = 1;
    private const int BulkOut = 2;
    private const int Busy = 3;
    private const int Periodic = 4;
    private const int PacketBytes = 512;
    private const int PeriodicBytes = 8;

    private static readonly DescriptorSet s_descriptors = Describe();

    private byte _sent;

    /// <summary>A sum over all bytes that came by bulk, in their order.</summary>
    public uint Received { get; private set; }

    /// <summary>The endpoint of a configuration: bulk in and out, one that answers NAK for ever, and a periodic one.</summary>
    public static byte EndpointOf(DeviceUse use) => use switch
    {
        DeviceUse.Read => 0x80 | BulkIn,
        DeviceUse.Write => BulkOut,
        DeviceUse.Cancel => 0x80 | Busy,
        _ => 0x80 | Periodic,
    };

    protected override int OnRequest(in SetupPacket setup, Span<byte> data) =>
        setup is { Type: RequestType.Vendor, In: true, Request: AskCount } ? Answer([tag, _sent], data) : -1;

    protected override UsbReply OnOut(DeviceEndpoint endpoint, ReadOnlySpan<byte> data)
    {
        foreach (byte value in data)
            Received = (Received * 31) + value;
        return UsbReply.Ack;
    }

    protected override UsbReply OnIn(DeviceEndpoint endpoint, Span<byte> packet)
    {
        int number = endpoint.Address & 0xF;
        if (number == Busy)
            return UsbReply.Nak;
        int bytes = number == Periodic ? PeriodicBytes : PacketBytes;
        packet[..bytes].Fill((byte)(tag + _sent));
        packet[0] = tag;
        return UsbReply.Data(endpoint.Toggle, bytes);
    }

    protected override void OnAcknowledged(DeviceEndpoint endpoint) => _sent++;

    private static DescriptorSet Describe()
    {
        byte[] Endpoint(byte address, TransferType type, int bytes, byte interval) => Packed.ToArray(
            new EndpointDescriptor
            {
                Length = EndpointDescriptor.Size,
                Type = DescriptorType.Endpoint,
                Address = address,
                TransferType = type,
                MaxPacketSize = bytes,
                Interval = interval,
            },
            EndpointDescriptor.Size);
        byte[] face = Packed.ToArray(
            new InterfaceDescriptor { Length = InterfaceDescriptor.Size, Type = DescriptorType.Interface, EndpointCount = 4, Class = DeviceClass.VendorSpecific },
            InterfaceDescriptor.Size);
        byte[] head = Packed.ToArray(
            new ConfigurationDescriptor { Length = ConfigurationDescriptor.Size, Type = DescriptorType.Configuration, InterfaceCount = 1, Value = 1 },
            ConfigurationDescriptor.Size);
        DeviceDescriptor device = new() { UsbVersion = 0x0200, MaxPacketSize0 = 64, VendorId = 0x1209, ProductId = 0x00FE };
        return new(
            device,
            [
                [
                    .. head,
                    .. face,
                    .. Endpoint(0x80 | BulkIn, TransferType.Bulk, PacketBytes, 0),
                    .. Endpoint(BulkOut, TransferType.Bulk, PacketBytes, 0),
                    .. Endpoint(0x80 | Busy, TransferType.Bulk, PacketBytes, 0),
                    .. Endpoint(0x80 | Periodic, TransferType.Interrupt, PeriodicBytes, 4),
                ],
            ],
            []);
    }
}
