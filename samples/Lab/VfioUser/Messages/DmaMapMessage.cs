using System.Runtime.InteropServices;

namespace Dma.Lab;

/// <summary>Memory that the device may reach (vfio-user, DMA_MAP).</summary>
/// <param name="ArgumentSize">The size of this structure.</param>
/// <param name="Flags">Bit 0: the device may read; bit 1: it may write.</param>
/// <param name="Offset">Where in the descriptor that came along; 0 where none did.</param>
/// <param name="Address">The first address, as the device has it.</param>
/// <param name="Size">Bytes.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct DmaMapMessage(uint ArgumentSize, uint Flags, ulong Offset, ulong Address, ulong Size);
