using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Whether the descriptors of one configuration fit together (USB 2.0, configuration descriptor).</summary>
internal sealed class ConfigurationCheck
{
    private const int HeadSize = 2;

    private readonly byte[] _bytes;
    private readonly int _end;
    private readonly HashSet<byte> _interfaces = [];
    private readonly HashSet<(byte Number, byte Alternate)> _settings = [];
    private readonly HashSet<byte> _endpoints = [];
    private int _face = -1;

    /// <summary>Checks a configuration.</summary>
    /// <param name="bytes">What it was recorded in.</param>
    /// <param name="start">Where it begins; its head is whole.</param>
    /// <param name="end">Where it ends, within the bytes.</param>
    public ConfigurationCheck(byte[] bytes, int start, int end)
    {
        (_bytes, _end) = (bytes, end);
        byte value = bytes[start + 5];
        if (value == 0)
            Fail(start, "a configuration cannot have the value 0, which means none");
        for (int at = start + ConfigurationDescriptor.Size; at < end && Problem is null; at += bytes[at])
            Take(at);
        EndInterface();
        if (bytes[start + 4] != _interfaces.Count)
            Fail(start, $"the configuration says that it has {bytes[start + 4]} interfaces, and has {_interfaces.Count}");
    }

    /// <summary>The first thing that makes no sense, and where; null for none.</summary>
    public (int At, string Problem)? Problem { get; private set; }

    private void Take(int at)
    {
        if (_end - at < HeadSize || _bytes[at] < HeadSize || _bytes[at] > _end - at)
        {
            Fail(at, _end - at < HeadSize
                ? "a descriptor has a length and a type, and the configuration has one byte left"
                : $"a descriptor of {_bytes[at]} bytes does not fit into the {_end - at} that the configuration has left");
            return;
        }

        switch ((DescriptorType)_bytes[at + 1])
        {
            case DescriptorType.Device or DescriptorType.Configuration or DescriptorType.OtherSpeedConfiguration:
                Fail(at, $"a descriptor of type {_bytes[at + 1]:X2}h stands inside a configuration");
                break;
            case DescriptorType.Interface:
                TakeInterface(at);
                break;
            case DescriptorType.Endpoint:
                TakeEndpoint(at);
                break;
            default:
                // What a class or vendor defines.
                break;
        }
    }

    private void TakeInterface(int at)
    {
        EndInterface();
        if (_bytes[at] < InterfaceDescriptor.Size)
            Fail(at, $"an interface has {InterfaceDescriptor.Size} bytes, not {_bytes[at]}");
        else if (!_settings.Add((_bytes[at + 2], _bytes[at + 3])))
            Fail(at, $"interface {_bytes[at + 2]} has the setting {_bytes[at + 3]} twice");
        if (Problem is not null)
            return;
        _face = at;
        _endpoints.Clear();
        _ = _interfaces.Add(_bytes[at + 2]);
    }

    private void TakeEndpoint(int at)
    {
        if (_bytes[at] < EndpointDescriptor.Size)
            Fail(at, $"an endpoint has {EndpointDescriptor.Size} bytes, not {_bytes[at]}");
        else if (_face < 0)
            Fail(at, "an endpoint stands before every interface");
        else if ((_bytes[at + 2] & 0x7F) is 0 or > 15)
            Fail(at, $"an endpoint cannot have the address {_bytes[at + 2]:X2}h");
        else if (!_endpoints.Add(_bytes[at + 2]))
            Fail(at, $"the endpoint {_bytes[at + 2]:X2}h stands twice in one setting");
    }

    private void EndInterface()
    {
        if (_face >= 0 && _bytes[_face + 4] != _endpoints.Count)
            Fail(_face, $"the interface says that it has {_bytes[_face + 4]} endpoints, and has {_endpoints.Count}");
    }

    private void Fail(int at, string problem) => Problem ??= (at, problem);
}
