using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The configuration descriptors that devices sent over a shared bus, by the address of the device on the bus.</summary>
/// <remarks>
/// The bytes are those that the device sent, whatever its driver asked for and made of them: the controller keeps to the
/// data toggles of the device. A configuration is known once all of it came in one request.
/// </remarks>
internal sealed class SeenConfigurations
{
    private const int ConfigurationsMax = 8;
    private const int BytesMax = 4096;

    private readonly List<byte[]>?[] _known = new List<byte[]>?[UsbBus.AddressCount];
    private readonly Reading?[] _readings = new Reading?[UsbBus.AddressCount];

    /// <summary>A configuration that a device sent, with all that belongs to it; empty where none was seen.</summary>
    /// <param name="real">The address on the bus.</param>
    /// <param name="value">bConfigurationValue.</param>
    public ReadOnlySpan<byte> Find(byte real, byte value)
    {
        foreach (byte[] bytes in _known[real] ?? [])
        {
            if (Head(bytes).Value == value)
                return bytes;
        }

        return default;
    }

    /// <summary>A request goes out to a device.</summary>
    public void Began(byte real, in SetupPacket setup)
    {
        bool isReading = setup is { Type: RequestType.Standard, Recipient: RequestRecipient.Device, In: true, Request: (byte)StandardRequest.GetDescriptor }
            && setup.Value >> 8 == (int)DescriptorType.Configuration;
        _readings[real] = isReading ? new(Math.Min((int)setup.Length, BytesMax)) : null;
    }

    /// <summary>A device sent a packet of the data stage of a request.</summary>
    public void Came(byte real, UsbPid pid, ReadOnlySpan<byte> data)
    {
        if (_readings[real] is not { } reading || pid != reading.Expected)
            return;
        reading.Expected = pid == UsbPid.Data1 ? UsbPid.Data0 : UsbPid.Data1;
        int length = Math.Min(data.Length, reading.Bytes.Length - reading.Count);
        data[..length].CopyTo(reading.Bytes.AsSpan(reading.Count));
        reading.Count += length;
        if (reading.Count < ConfigurationDescriptor.Size)
            return;
        ConfigurationDescriptor head = Head(reading.Bytes);
        if (head.TotalLength < ConfigurationDescriptor.Size || head.TotalLength > reading.Count)
            return;
        _readings[real] = null;
        List<byte[]> known = _known[real] ??= [];
        _ = known.RemoveAll(bytes => Head(bytes).Value == head.Value);
        if (known.Count < ConfigurationsMax)
            known.Add(reading.Bytes[..head.TotalLength]);
    }

    /// <summary>Nobody has the address any more.</summary>
    public void Forget(byte real) => (_known[real], _readings[real]) = (null, null);

    private static ConfigurationDescriptor Head(byte[] bytes) => Packed.Read<ConfigurationDescriptor>(bytes.AsSpan(0, ConfigurationDescriptor.Size));

    private sealed class Reading(int bytesMax)
    {
        public readonly byte[] Bytes = new byte[bytesMax];
        public int Count;
        public UsbPid Expected = UsbPid.Data1;
    }
}
