using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A human interface of a recorded device.</summary>
/// <param name="Number">The interface.</param>
/// <param name="Descriptor">Its HID descriptor.</param>
internal sealed record HidInterface(int Number, byte[] Descriptor)
{
    /// <summary>Bytes of its report descriptor.</summary>
    public int ReportLength => Packed.Read<HidDescriptor>(Descriptor).ReportLength;

    /// <summary>All that a configuration has, in their order.</summary>
    /// <param name="configuration">A configuration that was checked.</param>
    public static List<HidInterface> FindAll(ReadOnlySpan<byte> configuration)
    {
        List<HidInterface> found = [];
        InterfaceDescriptor face = default;
        for (ReadOnlySpan<byte> rest = configuration; !rest.IsEmpty; rest = rest[rest[0]..])
        {
            if (rest[1] == (byte)DescriptorType.Interface)
                face = Packed.Read<InterfaceDescriptor>(rest[..InterfaceDescriptor.Size]);
            else if (rest[1] == (byte)DescriptorType.Hid && face is { Class: DeviceClass.Hid, AlternateSetting: 0 } && rest[0] >= HidDescriptor.Size)
                found.Add(new(face.Number, rest[..rest[0]].ToArray()));
        }

        return found;
    }
}
