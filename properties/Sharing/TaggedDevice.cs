using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A device that says whose it is: in the answer to a vendor request, and in all bulk data that it sends.</summary>
internal sealed class TaggedDevice(byte tag) : StandardDevice(UsbSpeed.High, s_descriptors)
{
    public const byte AskTag = 1;
    public const int BulkIn = 1;
    public const int BulkOut = 2;
    public const int Busy = 3;

    private static readonly DescriptorSet s_descriptors = VendorDescriptors.Describe(
        0x00FD, (0x80 | BulkIn, TransferType.Bulk, 512, 0), (BulkOut, TransferType.Bulk, 512, 0), (0x80 | Busy, TransferType.Bulk, 512, 0));

    private bool _toggle;

    public byte Tag => tag;

    /// <summary>Bytes that came by bulk, since it was made.</summary>
    public int Received { get; private set; }

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
        if ((endpoint.Address & 0xF) == Busy)
            return UsbReply.Nak;
        packet[..512].Fill(tag);
        return UsbReply.Data(_toggle, 512);
    }

    protected override void OnAcknowledged(DeviceEndpoint endpoint) => _toggle = !_toggle;

    /// <summary>How often it was reset or plugged.</summary>
    public int Resets { get; private set; }

    protected override void OnReset()
    {
        _toggle = false;
        Resets++;
    }

    protected override void OnConfigured() => _toggle = false;
}
