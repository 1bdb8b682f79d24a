using System.Diagnostics.CodeAnalysis;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>An endpoint as the device describes it.</summary>
/// <param name="Descriptor">What every device says of it.</param>
/// <param name="Companion">What a SuperSpeed device adds, else zero.</param>
public sealed record UsbEndpoint(EndpointDescriptor Descriptor, SuperSpeedCompanionDescriptor Companion = default)
{
    /// <summary>Whether the device sends.</summary>
    public bool In => Descriptor.In;

    /// <summary>bEndpointAddress.</summary>
    public byte Address => Descriptor.Address;
}

/// <summary>One setting of an interface with its endpoints.</summary>
/// <param name="Descriptor">What the device says of it.</param>
/// <param name="Endpoints">Its endpoints, as many as were found.</param>
/// <param name="ClassDescriptors">What its class says of it, each with its length and type in front.</param>
public sealed record UsbInterface(InterfaceDescriptor Descriptor, IReadOnlyList<UsbEndpoint> Endpoints, IReadOnlyList<byte[]> ClassDescriptors)
{
    /// <summary>The first endpoint of a kind and direction, or null.</summary>
    public UsbEndpoint? Find(TransferType type, bool isIn) =>
        Endpoints.FirstOrDefault(endpoint => endpoint.Descriptor.TransferType == type && endpoint.In == isIn);
}

/// <summary>A configuration as the device describes it.</summary>
/// <param name="Descriptor">Its head.</param>
/// <param name="Interfaces">The interfaces, each alternate setting by itself.</param>
public sealed record UsbConfiguration(ConfigurationDescriptor Descriptor, IReadOnlyList<UsbInterface> Interfaces)
{
    /// <summary>Reads a configuration out of bytes that a device sent, and that it may have sent in bad faith.</summary>
    /// <remarks>Descriptors of unknown types are kept as those of the class. None may be shorter than its type asks, or reach beyond the end.</remarks>
    /// <returns><c>false</c> where the bytes contradict themselves.</returns>
    public static bool TryParse(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out UsbConfiguration? configuration)
    {
        configuration = null;
        if (bytes.Length < ConfigurationDescriptor.Size)
            return false;
        ConfigurationDescriptor head = Packed.Read<ConfigurationDescriptor>(bytes[..ConfigurationDescriptor.Size]);
        bool isHead = head.Type == DescriptorType.Configuration && head.Length >= ConfigurationDescriptor.Size;
        if (!isHead || head.TotalLength > bytes.Length || head.TotalLength < head.Length)
            return false;

        List<UsbInterface> interfaces = [];
        List<UsbEndpoint> endpoints = [];
        List<byte[]> others = [];
        ReadOnlySpan<byte> rest = bytes[head.Length..head.TotalLength];
        while (!rest.IsEmpty)
        {
            // Every descriptor says its own length: at least these two bytes, so that the loop ends.
            if (rest.Length < 2 || rest[0] < 2 || rest[0] > rest.Length)
                return false;
            ReadOnlySpan<byte> descriptor = rest[..rest[0]];
            rest = rest[rest[0]..];
            switch ((DescriptorType)descriptor[1])
            {
                case DescriptorType.Interface when descriptor.Length >= InterfaceDescriptor.Size:
                    (endpoints, others) = ([], []);
                    interfaces.Add(new(Packed.Read<InterfaceDescriptor>(descriptor[..InterfaceDescriptor.Size]), endpoints, others));
                    break;
                case DescriptorType.Endpoint when descriptor.Length >= EndpointDescriptor.Size:
                    endpoints.Add(new(Packed.Read<EndpointDescriptor>(descriptor[..EndpointDescriptor.Size])));
                    break;
                case DescriptorType.SuperSpeedCompanion when descriptor.Length >= SuperSpeedCompanionDescriptor.Size && endpoints.Count != 0:
                    endpoints[^1] = endpoints[^1] with { Companion = Packed.Read<SuperSpeedCompanionDescriptor>(descriptor[..SuperSpeedCompanionDescriptor.Size]) };
                    break;
                case DescriptorType.Interface or DescriptorType.Endpoint or DescriptorType.SuperSpeedCompanion:
                    return false;
                default:
                    others.Add(descriptor.ToArray());
                    break;
            }
        }

        configuration = new(head, interfaces);
        return true;
    }
}
