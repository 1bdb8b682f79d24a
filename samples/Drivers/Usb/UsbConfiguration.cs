using System.Diagnostics.CodeAnalysis;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>One setting of an interface with its endpoints.</summary>
/// <param name="Descriptor">What the device says of it.</param>
/// <param name="Endpoints">Its endpoints, as many as were found.</param>
public sealed record UsbInterface(InterfaceDescriptor Descriptor, IReadOnlyList<EndpointDescriptor> Endpoints);

/// <summary>A configuration as the device describes it.</summary>
/// <param name="Descriptor">Its head.</param>
/// <param name="Interfaces">The interfaces, each alternate setting by itself.</param>
public sealed record UsbConfiguration(ConfigurationDescriptor Descriptor, IReadOnlyList<UsbInterface> Interfaces)
{
    /// <summary>Reads a configuration out of bytes that a device sent, and that it may have sent in bad faith.</summary>
    /// <remarks>Descriptors of unknown types are passed over. None may be shorter than its type asks, or reach beyond the end.</remarks>
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
        List<EndpointDescriptor> endpoints = [];
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
                    endpoints = [];
                    interfaces.Add(new(Packed.Read<InterfaceDescriptor>(descriptor[..InterfaceDescriptor.Size]), endpoints));
                    break;
                case DescriptorType.Endpoint when descriptor.Length >= EndpointDescriptor.Size:
                    endpoints.Add(Packed.Read<EndpointDescriptor>(descriptor[..EndpointDescriptor.Size]));
                    break;
                case DescriptorType.Interface or DescriptorType.Endpoint:
                    return false;
                default:
                    break;
            }
        }

        configuration = new(head, interfaces);
        return true;
    }
}
