using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The configuration of a device that is in use: the alternate settings of its interfaces, and the endpoints that follow (USB 2.0, 9.4.7 and 9.4.10).</summary>
internal sealed class ActiveConfiguration
{
    private const int EndpointNumbers = 16;

    private readonly DeviceEndpoint?[] _endpoints = new DeviceEndpoint?[2 * EndpointNumbers];
    private readonly byte[] _alternates = new byte[256];
    private ReadOnlyMemory<byte> _descriptors;

    /// <summary>bConfigurationValue; 0 for none.</summary>
    public byte Value { get; private set; }

    /// <summary>Another configuration is in use, with the first setting of each interface.</summary>
    /// <param name="value">Its bConfigurationValue; 0 for none.</param>
    /// <param name="descriptors">Its descriptor with all that belongs to it; nobody looks at it where there is none.</param>
    public void Choose(byte value, ReadOnlyMemory<byte> descriptors)
    {
        (Value, _descriptors) = (value, value == 0 ? default : descriptors);
        Array.Clear(_endpoints);
        Array.Clear(_alternates);
        Use(number: null, alternate: 0, isUsed: true);
    }

    /// <summary>Another setting of an interface is in use, or the same again: its endpoints begin anew.</summary>
    /// <param name="number">The interface, one that is there.</param>
    /// <param name="alternate">The setting, one that it has.</param>
    public void ChooseAlternate(int number, byte alternate)
    {
        Use(number, _alternates[number], isUsed: false);
        _alternates[number] = alternate;
        Use(number, alternate, isUsed: true);
    }

    /// <summary>The setting of an interface that is in use.</summary>
    /// <param name="number">The interface, 0 to 255.</param>
    public byte AlternateOf(int number) => _alternates[number];

    /// <summary>Whether there is an interface with a setting.</summary>
    public bool HasInterface(int number, int alternate)
    {
        for (ReadOnlySpan<byte> rest = _descriptors.Span; HasNext(rest); rest = Next(rest))
        {
            if (rest[1] != (byte)DescriptorType.Interface)
                continue;
            InterfaceDescriptor head = Packed.Read<InterfaceDescriptor>(rest[..InterfaceDescriptor.Size]);
            if (head.Number == number && head.AlternateSetting == alternate)
                return true;
        }

        return false;
    }

    /// <summary>The endpoint of a number and direction, or null.</summary>
    /// <param name="number">1 to 15.</param>
    /// <param name="isIn">Whether it sends to the host.</param>
    public DeviceEndpoint? Find(int number, bool isIn) => _endpoints[(2 * (number & (EndpointNumbers - 1))) + (isIn ? 1 : 0)];

    /// <summary>The endpoint of an address, or null.</summary>
    /// <param name="address">As wIndex of a request has it: anything.</param>
    public DeviceEndpoint? FindAddress(int address) =>
        (address & 0x70) == 0 && address <= byte.MaxValue ? Find(address & 0xF, (address & 0x80) != 0) : null;

    private static bool HasNext(ReadOnlySpan<byte> descriptors) => descriptors.Length >= 2 && descriptors[0] >= 2;

    private static ReadOnlySpan<byte> Next(ReadOnlySpan<byte> descriptors) => descriptors[Math.Min((int)descriptors[0], descriptors.Length)..];

    // Endpoints belong to the interface descriptor before them.
    private void Use(int? number, int alternate, bool isUsed)
    {
        bool isMine = false;
        for (ReadOnlySpan<byte> rest = _descriptors.Span; HasNext(rest); rest = Next(rest))
        {
            if (rest[1] == (byte)DescriptorType.Interface)
            {
                InterfaceDescriptor head = Packed.Read<InterfaceDescriptor>(rest[..InterfaceDescriptor.Size]);
                isMine = (number is null || head.Number == number) && head.AlternateSetting == alternate;
            }
            else if (rest[1] == (byte)DescriptorType.Endpoint && isMine)
            {
                EndpointDescriptor endpoint = Packed.Read<EndpointDescriptor>(rest[..EndpointDescriptor.Size]);
                _endpoints[(2 * endpoint.Number) + (endpoint.In ? 1 : 0)] = isUsed ? new(endpoint) : null;
            }
        }
    }
}
