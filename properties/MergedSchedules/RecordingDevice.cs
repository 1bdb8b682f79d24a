using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A device that takes packets of all kinds, each with a number in its first four bytes, but seldom at once.</summary>
/// <param name="seed">When it is busy.</param>
internal sealed class RecordingDevice(int seed) : StandardDevice(UsbSpeed.High, s_descriptors)
{
    /// <summary>How many bulk endpoints it has, from 1 on.</summary>
    public const int BulkCount = 6;

    public const int Isochronous = 7;
    public const int Interrupt = 8;

    private static readonly DescriptorSet s_descriptors = VendorDescriptors.Describe(0x00FB,
    [
        .. Enumerable.Range(1, BulkCount).Select(number => (number, TransferType.Bulk, 512, (byte)0)),
        (Isochronous, TransferType.Isochronous, 1024, 1),
        (Interrupt, TransferType.Interrupt, 512, 1),
    ]);

    private readonly Random _random = new(seed);

    /// <summary>Whether it answers NAK most of the time.</summary>
    public bool IsSlow { get; set; } = true;

    protected override UsbReply OnOut(DeviceEndpoint endpoint, ReadOnlySpan<byte> data) =>
        endpoint.TransferType != TransferType.Isochronous && IsBusy() ? UsbReply.Nak : UsbReply.Ack;

    protected override bool IsReadyFor(DeviceEndpoint endpoint) => !IsBusy();

    protected override UsbReply OnIn(DeviceEndpoint endpoint, Span<byte> packet) => UsbReply.Stall;

    private bool IsBusy() => IsSlow && _random.Next(100) < 97;
}
