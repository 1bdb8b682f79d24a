using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Takes a recording apart into its descriptors; the first thing that makes no sense ends it.</summary>
/// <param name="bytes">The recording.</param>
internal sealed class DescriptorReader(byte[] bytes)
{
    private const int HeadSize = 2;

    private readonly List<byte[]> _configurations = [];
    private readonly List<byte[]> _otherSpeed = [];
    private readonly List<byte[]?> _strings = [];
    private byte[]? _device;
    private byte[]? _qualifier;
    private byte[]? _objectStore;
    private string _problem = "";

    /// <summary>Reads all of it.</summary>
    /// <param name="problem">Where it makes no sense, and why; empty where it makes sense.</param>
    /// <returns>The descriptors, or null.</returns>
    public DescriptorBytes? Read(out string problem)
    {
        for (int at = 0; at < bytes.Length && _problem.Length == 0;)
            at += Take(at);
        if (_problem.Length == 0)
            CheckDevice();
        problem = _problem;
        return problem.Length != 0 ? null : new(_device ?? MadeUp.Device(_configurations.Count))
        {
            Qualifier = _qualifier,
            Configurations = _configurations,
            OtherSpeed = _otherSpeed,
            Strings = _strings,
            ObjectStore = _objectStore,
        };
    }

    // The descriptor at a place, with all that belongs to it; returns its bytes.
    private int Take(int at)
    {
        if (!HasRoom(at, bytes.Length))
            return 0;
        int length = bytes[at];
        switch ((DescriptorType)bytes[at + 1])
        {
            case DescriptorType.Device when at != 0:
                return Fail(at, "a second device descriptor");
            case DescriptorType.Device:
                _device = Exactly(at, length, DeviceDescriptor.Size, "device descriptor");
                return length;
            case DescriptorType.DeviceQualifier when _qualifier is not null:
                return Fail(at, "a second device qualifier");
            case DescriptorType.DeviceQualifier:
                _qualifier = Exactly(at, length, DeviceQualifierDescriptor.Size, "device qualifier");
                return length;
            case DescriptorType.Configuration:
                return TakeConfiguration(at, _configurations);
            case DescriptorType.OtherSpeedConfiguration:
                return TakeConfiguration(at, _otherSpeed);
            case DescriptorType.String:
                _strings.Add(bytes[at..(at + length)]);
                return length;
            case DescriptorType.BinaryObjectStore when _objectStore is not null:
                return Fail(at, "a second list of capabilities");
            case DescriptorType.BinaryObjectStore:
                return TakeObjectStore(at);
            default:
                return Fail(at, $"a descriptor of type {bytes[at + 1]:X2}h stands outside every configuration");
        }
    }

    private byte[]? Exactly(int at, int length, int expected, string name)
    {
        if (length == expected)
            return bytes[at..(at + length)];
        _ = Fail(at, $"a {name} has {expected} bytes, not {length}");
        return null;
    }

    private int TakeConfiguration(int at, List<byte[]> list)
    {
        int total = Total(at, ConfigurationDescriptor.Size, "configuration");
        if (total == 0)
            return 0;
        ConfigurationCheck check = new(bytes, at, at + total);
        if (check.Problem is var (place, problem))
            return Fail(place, problem);
        byte value = bytes[at + 5];
        if (list.Exists(other => other[5] == value))
            return Fail(at, $"a second configuration with the value {value}");
        list.Add(bytes[at..(at + total)]);
        return total;
    }

    private int TakeObjectStore(int at)
    {
        int total = Total(at, BinaryObjectStoreDescriptor.Size, "list of capabilities");
        int count = 0;
        for (int inside = at + BinaryObjectStoreDescriptor.Size; inside < at + total; inside += bytes[inside])
        {
            if (!HasRoom(inside, at + total))
                return 0;
            if (bytes[inside + 1] != (byte)DescriptorType.DeviceCapability)
                return Fail(inside, $"a descriptor of type {bytes[inside + 1]:X2}h stands between capabilities");
            count++;
        }

        if (total != 0 && bytes[at + 4] != count)
            return Fail(at, $"the list says that it has {bytes[at + 4]} capabilities, and has {count}");
        _objectStore = bytes[at..(at + total)];
        return total;
    }

    // The length of a descriptor with all that belongs to it; 0 where it makes no sense.
    private int Total(int at, int headSize, string name)
    {
        if (bytes[at] != headSize)
            return Fail(at, $"the head of a {name} has {headSize} bytes, not {bytes[at]}");
        int total = bytes[at + 2] | (bytes[at + 3] << 8);
        if (total < headSize)
            return Fail(at, $"a {name} of {total} bytes is shorter than its head");
        if (total > bytes.Length - at)
            return Fail(at, $"a {name} of {total} bytes goes past the end, {bytes.Length - at} are left");
        return total > ControlPipe.DataMax ? Fail(at, $"a {name} of {total} bytes is longer than {ControlPipe.DataMax}") : total;
    }

    private bool HasRoom(int at, int end)
    {
        if (end - at < HeadSize)
            _ = Fail(at, "a descriptor has a length and a type, and one byte is left");
        else if (bytes[at] < HeadSize)
            _ = Fail(at, $"a descriptor cannot have {bytes[at]} bytes");
        else if (bytes[at] > end - at)
            _ = Fail(at, $"a descriptor of {bytes[at]} bytes goes past the end, {end - at} are left");
        return _problem.Length == 0;
    }

    private void CheckDevice()
    {
        if (_device is null)
            return;
        DeviceDescriptor device = Packed.Read<DeviceDescriptor>(_device);
        bool isPacket = device.MaxPacketSize0 is 8 or 16 or 32 or 64 || device is { MaxPacketSize0: 9, UsbVersion: >= 0x0300 };
        if (!isPacket)
            _ = Fail(7, $"endpoint 0 cannot have packets of {device.MaxPacketSize0} bytes");
        else if (_configurations.Count != 0 && _configurations.Count != device.ConfigurationCount)
            _ = Fail(17, $"the device says that it has {device.ConfigurationCount} configurations, and {_configurations.Count} follow");
    }

    private int Fail(int at, string problem)
    {
        _problem = $"Byte {at}: {problem}.";
        return 0;
    }
}
