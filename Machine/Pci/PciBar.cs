namespace Dma.Machine;

/// <summary>One memory BAR of a function: its size and kind, which decide how its registers answer (PCI Express base, 7.5.1.2.1).</summary>
/// <param name="Index">The first register it takes, 0 to 5.</param>
/// <param name="Size">Bytes, a power of two.</param>
/// <param name="Is64Bit">Whether it takes two registers.</param>
/// <param name="Prefetchable">Whether reads have no side effects.</param>
internal readonly record struct PciBar(int Index, ulong Size, bool Is64Bit, bool Prefetchable)
{
    private const ulong Type64Bit = 0b10 << 1;
    private const ulong PrefetchableBit = 1 << 3;
    private const ulong KindBits = 0xF;

    /// <summary>The registers: address bits below the size are zero, which is how software learns the size.</summary>
    public IEnumerable<Register> Registers
    {
        get
        {
            ulong address = ~(Size - 1) & ~KindBits;
            ulong kind = (Is64Bit ? Type64Bit : 0) | (Prefetchable ? PrefetchableBit : 0);
            yield return new(Offset, 4, $"BAR{Index}", new(kind, Writable: address & uint.MaxValue));
            if (Is64Bit)
                yield return new(Offset + 4, 4, $"BAR{Index + 1}", new(0, Writable: address >> 32));
        }
    }

    /// <summary>The address that software gave it.</summary>
    public ulong Address(ConfigurationSpace configuration) =>
        (configuration[Offset] & ~KindBits) | (Is64Bit ? configuration[Offset + 4] << 32 : 0);

    private int Offset => PciOffset.Bar0 + (4 * Index);
}
