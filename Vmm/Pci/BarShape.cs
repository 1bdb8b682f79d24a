using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A memory BAR as software finds it.</summary>
/// <param name="Index">0 to 5.</param>
/// <param name="Address">Where it is now.</param>
/// <param name="Size">Bytes, a power of two.</param>
/// <param name="Is64Bit">Whether it takes two registers.</param>
/// <param name="IsPrefetchable">Whether reads have no side effects.</param>
internal readonly record struct BarShape(int Index, ulong Address, ulong Size, bool Is64Bit, bool IsPrefetchable)
{
    private const int BarsMax = 6;
    private const uint KindBits = 0xF;

    /// <summary>The offset of its first register.</summary>
    public int Offset => PciOffset.Bar0 + (4 * Index);

    /// <summary>Finds the memory BARs of an ordinary function by writing ones; memory space is off meanwhile (PCI Express base, 7.5.1.2.1).</summary>
    public static IReadOnlyList<BarShape> Read(ConfigurationView function)
    {
        ushort command = function.Read16(PciOffset.Command);
        function.Command(set: 0, clear: PciCommand.MemorySpace | PciCommand.IoSpace);
        List<BarShape> bars = [];
        for (int index = 0; index < BarsMax; index++)
        {
            int offset = PciOffset.Bar0 + (4 * index);
            uint low = function.Read32(offset);
            bool isIo = (low & 1) != 0;
            bool is64Bit = !isIo && (low & 0b110) == 0b100 && index + 1 < BarsMax;
            ulong mask = Probe(function, offset) & ~KindBits;
            ulong address = low & ~KindBits;
            if (is64Bit)
            {
                address |= (ulong)function.Read32(offset + 4) << 32;
                mask |= (ulong)Probe(function, offset + 4) << 32;
            }
            else if (mask != 0)
            {
                mask |= ulong.MaxValue << 32;
            }

            if (!isIo && mask != 0)
                bars.Add(new(index, address, ~mask + 1, is64Bit, (low & 8) != 0));
            index += is64Bit ? 1 : 0;
        }

        function.Write16(PciOffset.Command, command);
        return bars;
    }

    private static uint Probe(ConfigurationView function, int offset)
    {
        uint before = function.Read32(offset);
        function.Write32(offset, uint.MaxValue);
        uint found = function.Read32(offset);
        function.Write32(offset, before);
        return found;
    }
}
