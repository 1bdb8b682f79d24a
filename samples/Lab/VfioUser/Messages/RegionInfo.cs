using System.Runtime.InteropServices;

namespace Dma.Lab;

/// <summary>A region of the device (vfio-user, DEVICE_GET_REGION_INFO).</summary>
/// <param name="ArgumentSize">Of a command, the most that the reply may have; of a reply, what it needs.</param>
/// <param name="Flags">Bit 0: it can be read; bit 1: written; bit 2: mapped; bit 3: capabilities follow.</param>
/// <param name="Index">Which one: <see cref="RegionIndex"/>.</param>
/// <param name="CapabilityOffset">Where capabilities begin; 0 where there are none.</param>
/// <param name="Size">Bytes, 0 where there is no such region.</param>
/// <param name="Offset">Where in its descriptor it would be mapped.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct RegionInfo(uint ArgumentSize, uint Flags, uint Index, uint CapabilityOffset, ulong Size, ulong Offset)
{
    /// <summary>Bits 1:0 of the flags: it can be read and written, by messages.</summary>
    public const uint ReadWrite = 3;
}
