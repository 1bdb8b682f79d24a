using System.Runtime.InteropServices;

namespace Dma.Lab;

/// <summary>Memory that the device may not reach any more (vfio-user, DMA_UNMAP).</summary>
/// <param name="ArgumentSize">The most that the reply may have, without its header.</param>
/// <param name="Flags">Bit 0: tell which pages were written; bit 1: everything, where address and size are 0.</param>
/// <param name="Address">The first address of what was mapped.</param>
/// <param name="Size">Bytes, as they were mapped.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct DmaUnmapMessage(uint ArgumentSize, uint Flags, ulong Address, ulong Size)
{
    /// <summary>Bit 1 of the flags.</summary>
    public const uint All = 1 << 1;
}
