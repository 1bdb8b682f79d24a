using System.Text;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>All descriptors of a device, as bytes.</summary>
public sealed class DescriptorSet
{
    private const ushort EnglishUnitedStates = 0x0409;
    private const int StringCharactersMax = 126;
    private const int TypeOffset = 1;
    private const int CapabilityOffset = 2;
    private const int SuperSpeedVersion = 0x0300;
    private const int LargestExponent = 9;

    private readonly byte[] _device;
    private readonly byte[][] _configurations;
    private readonly byte[][] _otherSpeed = [];
    private readonly byte[][] _capabilities = [];
    private readonly byte[]?[] _strings;
    private readonly byte[]? _objectStore;
    private byte[]? _qualifier;
    private DescriptorSet? _pair;

    /// <summary>The descriptors of a device.</summary>
    /// <param name="device">What it is; length, type and the number of configurations are filled in.</param>
    /// <param name="configurations">Each configuration with its interfaces, endpoints and class descriptors; the total length is filled in.</param>
    /// <param name="strings">The strings, from index 1 on; at most 126 characters each.</param>
    public DescriptorSet(in DeviceDescriptor device, IReadOnlyList<byte[]> configurations, IReadOnlyList<string> strings)
    {
        _device = Packed.ToArray(
            device with
            {
                Length = DeviceDescriptor.Size,
                Type = DescriptorType.Device,
                ConfigurationCount = (byte)configurations.Count,
            },
            DeviceDescriptor.Size);
        _configurations = [.. configurations.Select(WithTotalLength)];
        _strings = [LanguageList(), .. strings.Select(StringDescriptor)];
        Device = Packed.Read<DeviceDescriptor>(_device);
    }

    private DescriptorSet(DescriptorBytes bytes)
    {
        _device = bytes.Device;
        _qualifier = bytes.Qualifier;
        _configurations = [.. bytes.Configurations];
        _otherSpeed = [.. bytes.OtherSpeed];
        _strings = [.. bytes.Strings];
        _objectStore = bytes.ObjectStore;
        Device = Packed.Read<DeviceDescriptor>(_device);
    }

    /// <summary>The device descriptor.</summary>
    public DeviceDescriptor Device { get; }

    /// <summary>The capabilities of the device (BOS), one after the other; empty for a device without any. The head is filled in.</summary>
    public IReadOnlyList<byte[]> Capabilities
    {
        get => _capabilities;
        init
        {
            _capabilities = [.. value];
            _objectStore = value.Count == 0 ? null : ObjectStoreOf(value);
        }
    }

    /// <summary>Bytes in a full packet of endpoint 0. From version 3.00 on the descriptor holds a power of two.</summary>
    public int MaxPacketSize0 => Device is { UsbVersion: >= SuperSpeedVersion, MaxPacketSize0: LargestExponent }
        ? 1 << LargestExponent
        : Device.MaxPacketSize0;

    /// <summary>How long a SuperSpeed device says that its link takes from U1 and from U2, in microseconds.</summary>
    public (int U1, int U2) LinkExitUs
    {
        get
        {
            foreach (byte[] capability in _capabilities)
            {
                if (capability.Length == SuperSpeedCapability.Size && capability[CapabilityOffset] == (byte)CapabilityType.SuperSpeed)
                {
                    SuperSpeedCapability super = Packed.Read<SuperSpeedCapability>(capability);
                    return (super.U1ExitLatency, super.U2ExitLatency);
                }
            }

            return default;
        }
    }

    /// <summary>Whether the device can signal wake-up in any of its configurations.</summary>
    public bool CanWake => _configurations.Any(configuration => Packed.Read<ConfigurationDescriptor>(configuration).RemoteWakeup);

    /// <summary>Makes two sets each other's answer to what the device would be at the other speed.</summary>
    public static void Pair(DescriptorSet highSpeed, DescriptorSet fullSpeed)
    {
        highSpeed.Join(fullSpeed);
        fullSpeed.Join(highSpeed);
    }

    /// <summary>A descriptor that the host asks for; empty where there is none.</summary>
    /// <param name="type">Which kind.</param>
    /// <param name="index">Which one of that kind, from 0 on.</param>
    public ReadOnlySpan<byte> Find(DescriptorType type, int index) => type switch
    {
        DescriptorType.Device when index == 0 => _device,
        DescriptorType.DeviceQualifier when index == 0 => _qualifier,
        DescriptorType.Configuration => At(_configurations, index),
        DescriptorType.OtherSpeedConfiguration when _pair is not null => AsOtherSpeed(At(_pair._configurations, index)),
        DescriptorType.OtherSpeedConfiguration => At(_otherSpeed, index),
        DescriptorType.String => At(_strings, index),
        DescriptorType.BinaryObjectStore when index == 0 => _objectStore,
        _ => default,
    };

    /// <summary>The configuration, with all that belongs to it, that a SET_CONFIGURATION names; empty where there is none.</summary>
    public ReadOnlyMemory<byte> FindConfiguration(int value)
    {
        foreach (byte[] configuration in _configurations)
        {
            if (Packed.Read<ConfigurationDescriptor>(configuration).Value == value)
                return configuration;
        }

        return default;
    }

    /// <summary>Descriptors that are taken as they are, byte by byte; nothing is filled in.</summary>
    internal static DescriptorSet Verbatim(DescriptorBytes bytes) => new(bytes);

    private void Join(DescriptorSet other)
    {
        _pair = other;
        _qualifier = Packed.ToArray(QualifierOf(other.Device, other._configurations.Length), DeviceQualifierDescriptor.Size);
    }

    private static ReadOnlySpan<byte> AsOtherSpeed(ReadOnlySpan<byte> configuration)
    {
        if (configuration.IsEmpty)
            return default;
        byte[] whole = configuration.ToArray();
        whole[TypeOffset] = (byte)DescriptorType.OtherSpeedConfiguration;
        return whole;
    }

    private static ReadOnlySpan<byte> At(byte[]?[] list, int index) => (uint)index < (uint)list.Length ? list[index] : default;

    private static byte[] WithTotalLength(byte[] configuration)
    {
        byte[] whole = [.. configuration];
        ConfigurationDescriptor head = Packed.Read<ConfigurationDescriptor>(whole.AsSpan(0, ConfigurationDescriptor.Size));
        Packed.Write(head with { TotalLength = checked((ushort)whole.Length) }, whole.AsSpan(0, ConfigurationDescriptor.Size));
        return whole;
    }

    private static byte[] ObjectStoreOf(IReadOnlyList<byte[]> capabilities)
    {
        BinaryObjectStoreDescriptor head = new()
        {
            Length = BinaryObjectStoreDescriptor.Size,
            Type = DescriptorType.BinaryObjectStore,
            TotalLength = checked((ushort)(BinaryObjectStoreDescriptor.Size + capabilities.Sum(capability => capability.Length))),
            CapabilityCount = (byte)capabilities.Count,
        };
        return [.. Packed.ToArray(head, BinaryObjectStoreDescriptor.Size), .. capabilities.SelectMany(capability => capability)];
    }

    private static DeviceQualifierDescriptor QualifierOf(in DeviceDescriptor device, int configurations) => new()
    {
        Length = DeviceQualifierDescriptor.Size,
        Type = DescriptorType.DeviceQualifier,
        UsbVersion = device.UsbVersion,
        Class = device.Class,
        Subclass = device.Subclass,
        Protocol = device.Protocol,
        MaxPacketSize0 = device.MaxPacketSize0,
        ConfigurationCount = (byte)configurations,
    };

    private static byte[] LanguageList() =>
        [4, (byte)DescriptorType.String, EnglishUnitedStates & 0xFF, EnglishUnitedStates >> 8];

    private static byte[] StringDescriptor(string text)
    {
        if (text.Length > StringCharactersMax)
            throw new ArgumentException($"A string descriptor holds {StringCharactersMax} characters.");
        byte[] characters = Encoding.Unicode.GetBytes(text);
        return [(byte)(2 + characters.Length), (byte)DescriptorType.String, .. characters];
    }
}
