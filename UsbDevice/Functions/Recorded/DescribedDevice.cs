using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A device that answers enumeration as the one that was recorded did, and does nothing else.</summary>
/// <remarks>
/// Chapter 9 holds: configurations and settings are chosen, endpoints halt and are cleared. Endpoints to the host have
/// nothing to send, those to the device take everything; requests of classes and vendors are refused.
/// </remarks>
/// <param name="recorded">The recording.</param>
/// <param name="speed">The speed; null for the one that fits the recording.</param>
public sealed class DescribedDevice(RecordedDescriptors recorded, UsbSpeed? speed = null)
    : StandardDevice(speed ?? recorded.Speed, recorded.Descriptors)
{
    /// <inheritdoc/>
    protected override UsbReply OnOut(DeviceEndpoint endpoint, ReadOnlySpan<byte> data) => UsbReply.Ack;

    /// <inheritdoc/>
    protected override UsbReply OnIn(DeviceEndpoint endpoint, Span<byte> packet) =>
        endpoint.TransferType == TransferType.Isochronous ? UsbReply.Data(UsbPid.Data0, 0) : UsbReply.Nak;

    /// <inheritdoc/>
    protected override int OnRequest(in SetupPacket setup, Span<byte> data)
    {
        if (setup is not { Type: RequestType.Standard, Recipient: RequestRecipient.Interface })
            return Refused;
        ReadOnlySpan<byte> descriptor = setup.Value switch
        {
            (int)DescriptorType.Hid << 8 => HidDescriptorOf(setup.Index),
            (int)DescriptorType.HidReport << 8 => recorded.HidReportOf(setup.Index),
            _ => default,
        };
        if (descriptor.IsEmpty)
            return Refused;
        int length = Math.Min(descriptor.Length, data.Length);
        descriptor[..length].CopyTo(data);
        return length;
    }

    private ReadOnlySpan<byte> HidDescriptorOf(int number)
    {
        foreach (HidInterface face in recorded.HidInterfaces)
        {
            if (face.Number == number)
                return face.Descriptor;
        }

        return default;
    }
}
