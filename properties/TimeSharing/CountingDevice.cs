using System.Buffers.Binary;
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
    private const int Stream = 5;
    private const int StreamBytes = 192;

    private static readonly DescriptorSet s_descriptors = Describe();

    private byte _sent;
    private uint _turns;

    /// <summary>The interface with the stream, in its second setting.</summary>
    public const byte StreamInterface = 1;

    /// <summary>A sum over all bytes that came by bulk, in their order.</summary>
    public uint Received { get; private set; }

    /// <summary>The endpoint of a configuration: bulk in and out, one that answers NAK for ever, and a periodic one.</summary>
    public static byte EndpointOf(DeviceUse use) => use switch
    {
        DeviceUse.Read => 0x80 | BulkIn,
        DeviceUse.Write => BulkOut,
        DeviceUse.Cancel => 0x80 | Busy,
        DeviceUse.Stream => 0x80 | Stream,
        _ => 0x80 | Periodic,
    };

    /// <summary>Whether an endpoint is that of the stream.</summary>
    public static bool IsStream(byte endpoint) => endpoint == Stream;

    /// <summary>Whether an endpoint is one of the periodic schedule.</summary>
    public static bool IsPeriodic(byte endpoint) => endpoint is Periodic or Stream;

    /// <summary>Whether a packet of the stream is the one of a turn, counted since the setting was chosen.</summary>
    public static bool IsOfTurn(ReadOnlySpan<byte> packet, uint turn, byte tag) =>
        packet.Length == StreamBytes && BinaryPrimitives.ReadUInt32LittleEndian(packet) == turn && packet[sizeof(uint)..].IndexOfAnyExcept(tag) < 0;

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
        if (number == Stream)
        {
            packet[..StreamBytes].Fill(tag);
            BinaryPrimitives.WriteUInt32LittleEndian(packet, _turns++);
            return UsbReply.Data(UsbPid.Data0, StreamBytes);
        }

        int bytes = number == Periodic ? PeriodicBytes : PacketBytes;
        packet[..bytes].Fill((byte)(tag + _sent));
        packet[0] = tag;
        return UsbReply.Data(endpoint.Toggle, bytes);
    }

    protected override void OnAcknowledged(DeviceEndpoint endpoint) => _sent++;

    protected override void OnInterfaceSet(int number) => _turns = number == StreamInterface ? 0 : _turns;

    protected override void OnConfigured() => _turns = 0;

    private static DescriptorSet Describe()
    {
        InterfaceDescriptor face = new() { Class = DeviceClass.VendorSpecific };
        EndpointDescriptor bulk = new() { TransferType = TransferType.Bulk, MaxPacketSize = PacketBytes };
        ConfigurationBuilder builder = new ConfigurationBuilder(new() { Value = 1, SelfPowered = true })
            .Interface(face)
            .Endpoint(bulk with { Address = 0x80 | BulkIn })
            .Endpoint(bulk with { Address = BulkOut })
            .Endpoint(bulk with { Address = 0x80 | Busy })
            .Endpoint(new() { Address = 0x80 | Periodic, TransferType = TransferType.Interrupt, MaxPacketSize = PeriodicBytes, Interval = 4 })
            .Interface(face with { Number = StreamInterface })
            .Interface(face with { Number = StreamInterface, AlternateSetting = 1 })
            .Endpoint(new() { Address = 0x80 | Stream, TransferType = TransferType.Isochronous, MaxPacketSize = StreamBytes, Interval = 4 });
        return new(new DeviceDescriptor { UsbVersion = 0x0200, MaxPacketSize0 = 64, VendorId = 0x1209, ProductId = 0x00FE }, [builder.ToArray()], []);
    }
}
