using System.Buffers.Binary;
using Dma.Machine;

namespace Dma.Devices;

/// <summary>QEMU's device for tests of remapping without a guest, 1B36h:0005h: it writes a pattern by DMA and checks where it went.</summary>
/// <remarks>
/// Its registers are as QEMU's documentation gives them (docs/specs/iommu-testdev): doublewords in BAR 0. A read of
/// the trigger writes the pattern to the device address, then reads memory itself, past all remapping, at the address
/// where the test expects the pattern. Memory that is no RAM cannot be checked, and counts as a failed read. The
/// attributes choose a security state on another architecture; here they are checked for sense and then unused.
/// </remarks>
public sealed class IommuTestDevice : PciFunction
{
    /// <summary>The doubleword that is written over and over, lowest byte first.</summary>
    public const uint Pattern = 0x1234_5678;

    /// <summary>Bytes of BAR 0.</summary>
    public const ulong WindowLength = 0x1000;

    private const ulong Trigger = 0x00;
    private const ulong DeviceAddressLow = 0x04;
    private const ulong DeviceAddressHigh = 0x08;
    private const ulong Length = 0x0C;
    private const ulong Result = 0x10;
    private const ulong Doorbell = 0x14;
    private const ulong Attributes = 0x18;
    private const ulong MemoryAddressLow = 0x1C;
    private const ulong MemoryAddressHigh = 0x20;

    private const uint ArmBit = 1 << 0;
    private const int PieceBytes = 4096;

    private readonly PhysicalMemory _memory;
    private readonly byte[] _pattern = new byte[PieceBytes];
    private readonly byte[] _found = new byte[PieceBytes];
    private ulong _deviceAddress;
    private ulong _memoryAddress;
    private uint _length;
    private uint _attributes;
    private uint _result;
    private bool _isArmed;

    /// <summary>A device; plug it into a bus.</summary>
    /// <param name="memory">What it looks into, past the remapping unit.</param>
    public IommuTestDevice(PhysicalMemory memory)
        : base(new(0x1B36, 0x0005, ClassCode: 0x00_FF00, SubsystemVendorId: 0x1AF4, SubsystemId: 0x1100))
    {
        _memory = memory;
        for (int at = 0; at < PieceBytes; at += sizeof(uint))
            BinaryPrimitives.WriteUInt32LittleEndian(_pattern.AsSpan(at), Pattern);
        AddMemoryBar(0, WindowLength);
        Forget();
    }

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width)
    {
        if (width == 8)
            return ReadBar(bar, offset, 4) | (ReadBar(bar, offset + 4, 4) << 32);
        if (width != 4)
            return 0;
        switch (offset)
        {
            case Trigger:
                _result = (uint)Run();
                _isArmed = false;
                return 0;
            case DeviceAddressLow:
                return (uint)_deviceAddress;
            case DeviceAddressHigh:
                return _deviceAddress >> 32;
            case Length:
                return _length;
            case Result:
                return _result;
            case Attributes:
                return _attributes;
            case MemoryAddressLow:
                return (uint)_memoryAddress;
            case MemoryAddressHigh:
                return _memoryAddress >> 32;
            default:
                return 0;
        }
    }

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        if (width == 8)
        {
            WriteBar(bar, offset, 4, (uint)value);
            WriteBar(bar, offset + 4, 4, value >> 32);
            return;
        }

        if (width != 4)
            return;
        uint written = (uint)value;
        switch (offset)
        {
            case DeviceAddressLow:
                _deviceAddress = WithLow(_deviceAddress, written);
                break;
            case DeviceAddressHigh:
                _deviceAddress = WithHigh(_deviceAddress, written);
                break;
            case Length:
                _length = written;
                break;
            case Result:
                _result = written;
                break;
            case Doorbell:
                _isArmed = (written & ArmBit) != 0;
                _result = (uint)(_isArmed ? IommuTestResult.Armed : IommuTestResult.Idle);
                break;
            case Attributes:
                _attributes = written;
                break;
            case MemoryAddressLow:
                _memoryAddress = WithLow(_memoryAddress, written);
                break;
            case MemoryAddressHigh:
                _memoryAddress = WithHigh(_memoryAddress, written);
                break;
            default:
                // Nothing to write there.
                break;
        }
    }

    /// <inheritdoc/>
    protected override void OnReset() => Forget();

    private static ulong WithLow(ulong address, uint low) => (address & ~(ulong)uint.MaxValue) | low;

    private static ulong WithHigh(ulong address, uint high) => (uint)address | ((ulong)high << 32);

    private void Forget()
    {
        _deviceAddress = _memoryAddress = 0;
        _length = 0;
        _attributes = (uint)SecuritySpace.NonSecure << 1;
        _result = (uint)IommuTestResult.Idle;
        _isArmed = false;
    }

    private IommuTestResult Run()
    {
        if (!_isArmed)
            return IommuTestResult.NotArmed;
        if (_length == 0)
            return IommuTestResult.BadLength;
        if (!AttributesMakeSense)
            return IommuTestResult.BadAttributes;

        // All is written before anything is read: several device pages may lead to one page of memory.
        for (ulong done = 0; done < _length; done += PieceBytes)
        {
            if (Dma.Write(new(_deviceAddress + done), _pattern.AsSpan(0, Piece(done))) != DmaStatus.Success)
                return IommuTestResult.WriteFailed;
        }

        for (ulong done = 0; done < _length; done += PieceBytes)
        {
            Span<byte> found = _found.AsSpan(0, Piece(done));
            if (!_memory.TryRead(new PhysicalAddress(_memoryAddress + done), found))
                return IommuTestResult.ReadFailed;
            if (!found.SequenceEqual(_pattern.AsSpan(0, found.Length)))
                return IommuTestResult.Mismatch;
        }

        return IommuTestResult.Success;
    }

    private int Piece(ulong done) => (int)Math.Min(PieceBytes, _length - done);

    // Bit 0 secure, bits 2:1 the space, bit 3 whether the space counts; secure and non-secure space must agree with bit 0.
    private bool AttributesMakeSense
    {
        get
        {
            Bits64 attributes = new(_attributes);
            return !attributes.Bit(3) || (SecuritySpace)attributes.Bits(2, 1) switch
            {
                SecuritySpace.Secure => attributes.Bit(0),
                SecuritySpace.NonSecure => !attributes.Bit(0),
                _ => true,
            };
        }
    }

    private enum SecuritySpace
    {
        Secure = 0,
        NonSecure = 1,
    }
}
