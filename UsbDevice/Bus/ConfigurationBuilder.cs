using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Puts a configuration together, descriptor by descriptor, in the order in which the host reads them.</summary>
/// <remarks>Lengths, types and counts are filled in; an endpoint belongs to the interface before it.</remarks>
public sealed class ConfigurationBuilder
{
    private const int InterfaceCountOffset = 4;
    private const int EndpointCountOffset = 4;
    private const int InterfaceNumberOffset = 2;
    private const int AlternateOffset = 3;

    private readonly List<byte> _bytes;
    private int _interface = -1;

    /// <summary>Begins a configuration.</summary>
    /// <param name="head">Its value, power and attributes.</param>
    public ConfigurationBuilder(in ConfigurationDescriptor head) => _bytes = [.. Packed.ToArray(
        head with { Length = ConfigurationDescriptor.Size, Type = DescriptorType.Configuration, InterfaceCount = 0, AlwaysOne = true },
        ConfigurationDescriptor.Size)];

    /// <summary>Adds an interface, or another setting of the one before.</summary>
    /// <param name="face">Its number, setting and class.</param>
    public ConfigurationBuilder Interface(in InterfaceDescriptor face)
    {
        _interface = _bytes.Count;
        _bytes.AddRange(Packed.ToArray(
            face with { Length = InterfaceDescriptor.Size, Type = DescriptorType.Interface, EndpointCount = 0 },
            InterfaceDescriptor.Size));
        if (_bytes[_interface + AlternateOffset] == 0)
            _bytes[InterfaceCountOffset] = (byte)Math.Max(_bytes[InterfaceCountOffset], _bytes[_interface + InterfaceNumberOffset] + 1);
        return this;
    }

    /// <summary>Adds an endpoint to the interface.</summary>
    /// <param name="endpoint">What it is.</param>
    /// <param name="extra">What follows the seven bytes of the general form, inside the same descriptor.</param>
    public ConfigurationBuilder Endpoint(in EndpointDescriptor endpoint, params ReadOnlySpan<byte> extra)
    {
        int length = EndpointDescriptor.Size + extra.Length;
        _bytes.AddRange(Packed.ToArray(endpoint with { Length = (byte)length, Type = DescriptorType.Endpoint }, EndpointDescriptor.Size));
        _bytes.AddRange(extra);
        _bytes[_interface + EndpointCountOffset]++;
        return this;
    }

    /// <summary>Adds a descriptor of a class, whole.</summary>
    public ConfigurationBuilder Add(params ReadOnlySpan<byte> descriptor)
    {
        _bytes.AddRange(descriptor);
        return this;
    }

    /// <summary>All bytes; the total length is filled in by <see cref="DescriptorSet"/>.</summary>
    public byte[] ToArray() => [.. _bytes];
}
