namespace Dma.Machine;

/// <summary>The addresses FEE0_0000h to FEEF_FFFFh, where a write is an interrupt message and never reaches memory.</summary>
public static class InterruptRange
{
    /// <summary>The first address.</summary>
    public const ulong First = 0xFEE0_0000;

    /// <summary>The last address.</summary>
    public const ulong Last = 0xFEEF_FFFF;

    /// <summary>Whether the address is in the range.</summary>
    public static bool Contains(ulong address) => address >> 20 == First >> 20;
}
