using Dma.Machine;

namespace Dma.Hal;

/// <summary>A base address register as software finds it.</summary>
/// <param name="Index">0 to 5; a 64-bit one also takes the next.</param>
/// <param name="Kind">What it decodes.</param>
/// <param name="Is64Bit">Whether it takes two registers.</param>
/// <param name="Prefetchable">Whether reads have no side effects.</param>
/// <param name="Address">The first byte; 0 where nobody has given it a place yet.</param>
/// <param name="Length">Bytes or ports, a power of two.</param>
public readonly record struct PciBarInfo(int Index, PciBarKind Kind, bool Is64Bit, bool Prefetchable, GuestPhysicalAddress Address, ulong Length);

/// <summary>What a base address register decodes.</summary>
public enum PciBarKind
{
    /// <summary>Memory space.</summary>
    Memory,

    /// <summary>I/O ports.</summary>
    Io,
}
