using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A device that says whose it is: in the answer to a vendor request, and in all data that it sends.</summary>
internal sealed class TaggedDevice(byte tag, UsbSpeed speed = UsbSpeed.High) : StandardDevice(speed, speed == UsbSpeed.High ? s_fast : s_slow)
{
    public const byte AskTag = 1;
    public const int BulkIn = 1;
    public const int BulkOut = 2;
    public const int Busy = 3;
    public const int Report = 4;
    public const int ReportBytes = 8;

    private static readonly DescriptorSet s_fast = Describe(PacketBytes(UsbSpeed.High));
    private static readonly DescriptorSet s_slow = Describe(PacketBytes(UsbSpeed.Full));

    private bool _toggle;

    public byte Tag => tag;

    /// <summary>Bytes that came by bulk, since it was made.</summary>
    public int Received { get; private set; }

    /// <summary>Bytes of a bulk packet.</summary>
    public static int PacketBytes(UsbSpeed speed) => speed == UsbSpeed.High ? 512 : 64;

    protected override int OnRequest(in SetupPacket setup, Span<byte> data) =>
        setup is { Type: RequestType.Vendor, In: true, Request: AskTag } ? Answer([tag], data) : -1;

    protected override UsbReply OnOut(DeviceEndpoint endpoint, ReadOnlySpan<byte> data)
    {
        Received += data.Length;
        return UsbReply.Ack;
    }

    protected override UsbReply OnIn(DeviceEndpoint endpoint, Span<byte> packet)
    {
        // One endpoint never has anything.
        int number = endpoint.Address & 0xF;
        if (number == Busy)
            return UsbReply.Nak;
        int bytes = number == Report ? ReportBytes : PacketBytes(Speed);
        packet[..bytes].Fill(tag);
        return UsbReply.Data(number == Report ? endpoint.Toggle : _toggle, bytes);
    }

    protected override void OnAcknowledged(DeviceEndpoint endpoint) => _toggle ^= (endpoint.Address & 0xF) != Report;

    /// <summary>How often it was reset or plugged.</summary>
    public int Resets { get; private set; }

    protected override void OnReset()
    {
        _toggle = false;
        Resets++;
    }

    protected override void OnConfigured() => _toggle = false;

    private static DescriptorSet Describe(int packetBytes) => VendorDescriptors.Describe(
        0x00FD,
        (0x80 | BulkIn, TransferType.Bulk, packetBytes, 0),
        (BulkOut, TransferType.Bulk, packetBytes, 0),
        (0x80 | Busy, TransferType.Bulk, packetBytes, 0),
        (0x80 | Report, TransferType.Interrupt, ReportBytes, 1));
}
