using System.Buffers.Binary;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A device with two isochronous endpoints: one sends a packet with its number in each interval, the other writes down the numbers that come, from 1 on.</summary>
internal sealed class StreamDevice : StandardDevice
{
    private readonly int _packetBytes;
    private readonly Func<ulong> _clock;
    private int _sent;

    public StreamDevice(Func<ulong> clock, UsbSpeed speed = UsbSpeed.High, int packetBytes = 64, int extra = 0, byte interval = 4)
        : base(speed, Descriptors(packetBytes, extra, interval))
    {
        _clock = clock;
        _packetBytes = packetBytes;
    }

    /// <summary>What came, and when.</summary>
    public List<(int Number, ulong Ns)> Received { get; } = [];

    /// <summary>When the host asked for a packet.</summary>
    public List<ulong> Asked { get; } = [];

    protected override UsbReply OnOut(DeviceEndpoint endpoint, ReadOnlySpan<byte> data)
    {
        // Of the transactions of an interval, the first one carries the number.
        int number = data.Length >= 4 ? BinaryPrimitives.ReadInt32LittleEndian(data) : -1;
        if (number != 0)
            Received.Add((number, _clock()));
        return UsbReply.Silence;
    }

    protected override UsbReply OnIn(DeviceEndpoint endpoint, Span<byte> packet)
    {
        Asked.Add(_clock());
        int bytes = 4 + (_sent % (_packetBytes - 3));
        packet[..bytes].Clear();
        BinaryPrimitives.WriteInt32LittleEndian(packet, _sent++);
        return UsbReply.Data(UsbPid.Data0, bytes);
    }

    private static DescriptorSet Descriptors(int packetBytes, int extra, byte interval)
    {
        byte[] Endpoint(byte address) => Packed.ToArray(
            new EndpointDescriptor
            {
                Length = EndpointDescriptor.Size,
                Type = DescriptorType.Endpoint,
                Address = address,
                TransferType = TransferType.Isochronous,
                MaxPacketSize = packetBytes,
                AdditionalTransactions = extra,
                Interval = interval,
            },
            EndpointDescriptor.Size);
        byte[] Face(byte alternate, byte endpoints) => Packed.ToArray(
            new InterfaceDescriptor
            {
                Length = InterfaceDescriptor.Size,
                Type = DescriptorType.Interface,
                AlternateSetting = alternate,
                EndpointCount = endpoints,
                Class = DeviceClass.VendorSpecific,
            },
            InterfaceDescriptor.Size);
        byte[] head = Packed.ToArray(
            new ConfigurationDescriptor
            {
                Length = ConfigurationDescriptor.Size,
                Type = DescriptorType.Configuration,
                InterfaceCount = 1,
                Value = 1,
            },
            ConfigurationDescriptor.Size);
        DeviceDescriptor device = new() { UsbVersion = 0x0200, MaxPacketSize0 = 64, VendorId = 0x1209, ProductId = 0x00FE };
        return new(device, [[.. head, .. Face(0, 0), .. Face(1, 2), .. Endpoint(0x81), .. Endpoint(0x02)]], []);
    }
}
