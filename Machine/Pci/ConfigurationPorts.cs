namespace Dma.Machine;

/// <summary>The I/O ports CF8h to CFFh: a doubleword that names a register, and a window of four bytes onto it (PCI 3.0, 3.2.2.3.2).</summary>
internal sealed class ConfigurationPorts(PciHost host) : IMmioDevice
{
    /// <summary>The first port.</summary>
    public const ushort First = 0xCF8;

    /// <summary>How many ports.</summary>
    public const int Length = 8;

    private const int Data = 4;
    private const int EnableBit = 31;

    // Bit 31, bus, device, function and register; the two lowest bits are zero.
    private const uint AddressWritable = 0x80FF_FFFC;

    private uint _address;

    public void Reset() => _address = 0;

    public ulong Read(ulong offset, int width)
    {
        if (offset == 0 && width == 4)
            return _address;
        return Selects(offset, width, out SourceId target, out int register)
            ? host.ReadConfiguration(target, register, width)
            : RegisterFile.AllOnes(width);
    }

    public void Write(ulong offset, int width, ulong value)
    {
        // The address register takes doublewords alone; anything narrower is an access to an ordinary port.
        if (offset == 0 && width == 4)
            _address = (uint)value & AddressWritable;
        else if (Selects(offset, width, out SourceId target, out int register))
            host.WriteConfiguration(target, register, width, (uint)value);
    }

    private bool Selects(ulong offset, int width, out SourceId target, out int register)
    {
        Bits64 address = new(_address);
        target = new((ushort)address.Bits(23, 8));
        register = (int)(address.Bits(7, 0) + offset - Data);
        return address.Bit(EnableBit) && offset >= Data && offset + (ulong)width <= Length;
    }
}
