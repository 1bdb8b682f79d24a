using System.Runtime.InteropServices;

namespace Dma.Lab;

/// <summary>Which bytes of the client's memory are read or written; the bytes follow (vfio-user, DMA_READ and DMA_WRITE).</summary>
/// <param name="Address">The first address, as the device has it.</param>
/// <param name="Count">How many bytes.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct DmaAccess(ulong Address, ulong Count);
