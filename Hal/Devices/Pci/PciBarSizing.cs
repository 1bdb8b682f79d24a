using Dma.Machine;

namespace Dma.Hal;

/// <summary>Finds out which base address registers a function has and how large they are (PCI, base address registers).</summary>
public static class PciBarSizing
{
    /// <summary>Registers in a header of layout 0.</summary>
    public const int Bars = 6;

    /// <summary>Registers in the header of a bridge.</summary>
    public const int BridgeBars = 2;

    private const uint IoBit = 1;
    private const uint IoKindBits = 0b11;
    private const uint MemoryKindBits = 0b1111;
    private const uint MemoryType = 0b11 << 1;
    private const uint MemoryType32 = 0b00 << 1;
    private const uint MemoryType64 = 0b10 << 1;
    private const uint PrefetchableBit = 1 << 3;

    /// <summary>All base address registers, in order; decoding is off meanwhile, and everything is as before afterwards.</summary>
    /// <param name="configuration">The function.</param>
    /// <param name="location">Where it is, for messages.</param>
    /// <param name="count">How many registers the header has.</param>
    /// <exception cref="DeviceException">A register answers as none can.</exception>
    public static IReadOnlyList<PciBarInfo> Read(IConfigurationAccess configuration, SourceId location, int count = Bars)
    {
        ushort command = configuration.Read16(PciOffset.Command);
        configuration.Write16(PciOffset.Command, (ushort)(command & ~(ushort)(PciCommand.MemorySpace | PciCommand.IoSpace)));
        try
        {
            List<PciBarInfo> bars = [];
            for (int index = 0; index < count; index++)
            {
                if (ReadOne(configuration, location, index, count) is not { } bar)
                    continue;
                bars.Add(bar);
                if (bar.Is64Bit)
                    index++;
            }

            return bars;
        }
        finally
        {
            configuration.Write16(PciOffset.Command, command);
        }
    }

    private static PciBarInfo? ReadOne(IConfigurationAccess configuration, SourceId location, int index, int count)
    {
        (uint address, uint mask) = Probe(configuration, index);
        if (mask == 0)
            return null;
        bool isIo = (mask & IoBit) != 0;
        uint type = mask & MemoryType;
        bool is64Bit = !isIo && type == MemoryType64;
        if (!isIo && type != MemoryType32 && !is64Bit)
            throw Malformed(location, index, $"has the reserved type {type >> 1}");
        if (is64Bit && index == count - 1)
            throw Malformed(location, index, "has 64 bits, and there is no register for the upper half");

        uint kindBits = isIo ? IoKindBits : MemoryKindBits;
        ulong fullAddress = address & ~kindBits;
        ulong fullMask = mask & ~kindBits;
        if (is64Bit)
        {
            (uint upperAddress, uint upperMask) = Probe(configuration, index + 1);
            fullAddress |= (ulong)upperAddress << 32;
            fullMask |= (ulong)upperMask << 32;
        }
        else
        {
            // I/O decoders may leave the upper half out; a decoder of 32 bits answers for all above it.
            fullMask |= isIo && mask <= ushort.MaxValue ? 0xFFFF_FFFF_FFFF_0000 : 0xFFFF_FFFF_0000_0000;
        }

        // The bits that can be written reach from the size to the top, without a gap.
        ulong size = fullMask & (0 - fullMask);
        bool hasWritable = is64Bit ? size != 0 : (mask & ~kindBits) != 0;
        if (!hasWritable || fullMask != ~(size - 1))
            throw Malformed(location, index, $"answers {fullMask:X}h when it is sized");
        return new(index, isIo ? PciBarKind.Io : PciBarKind.Memory, is64Bit, !isIo && (mask & PrefetchableBit) != 0, new(fullAddress), size);
    }

    private static (uint Address, uint Mask) Probe(IConfigurationAccess configuration, int index)
    {
        int offset = PciOffset.Bar0 + (4 * index);
        uint address = configuration.Read32(offset);
        configuration.Write32(offset, uint.MaxValue);
        uint mask = configuration.Read32(offset);
        configuration.Write32(offset, address);
        return (address, mask);
    }

    private static DeviceException Malformed(SourceId location, int index, string what) => new($"BAR {index} of {location} {what}.");
}
