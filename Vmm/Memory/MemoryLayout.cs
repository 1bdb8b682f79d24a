using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Where a computer has memory and where device registers, real or virtual: the same in both.</summary>
/// <remarks>
/// <code>
/// 0                 8000_0000h        C000_0000h     FEC0_0000h      1_0000_0000h
/// | memory, 2 GiB   | reserved, ECAM  | BARs         | chipset, IRQs | the rest of memory
/// </code>
/// </remarks>
public static class MemoryLayout
{
    /// <summary>Where memory below 4 GiB ends at the latest.</summary>
    public const ulong LowMemoryEnd = 0x8000_0000;

    /// <summary>Where memory goes on.</summary>
    public const ulong HighMemoryStart = 0x1_0000_0000;

    /// <summary>The first byte of the memory-mapped configuration space of bus 0.</summary>
    public const ulong EcamStart = 0xB000_0000;

    /// <summary>The first byte for BARs.</summary>
    public const ulong BarStart = 0xC000_0000;

    /// <summary>The first byte after those for BARs.</summary>
    public const ulong BarEnd = 0xFEC0_0000;

    /// <summary>The registers of the first remapping unit.</summary>
    public const ulong RemappingUnit = 0xFED9_0000;

    /// <summary>The first byte of a page of memory.</summary>
    /// <param name="number">Which one, counted from the lowest; the gap counts none.</param>
    internal static GuestPhysicalAddress PageAt(ulong number) =>
        new((number << 12) + (number < LowMemoryEnd >> 12 ? 0 : HighMemoryStart - LowMemoryEnd));

    /// <summary>The ranges that hold a number of bytes of memory, lowest first.</summary>
    /// <param name="bytes">Bytes, a multiple of 4096.</param>
    public static IEnumerable<(ulong Start, ulong Length)> Memory(ulong bytes)
    {
        yield return (0, Math.Min(bytes, LowMemoryEnd));
        if (bytes > LowMemoryEnd)
            yield return (HighMemoryStart, bytes - LowMemoryEnd);
    }
}
