using System.Runtime.InteropServices;

namespace Dma.Lab;

/// <summary>Which bytes of a region are read or written; the bytes follow (vfio-user, REGION_READ and REGION_WRITE).</summary>
/// <param name="Offset">The first byte.</param>
/// <param name="Region">Which region: <see cref="RegionIndex"/>.</param>
/// <param name="Count">How many bytes.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct RegionAccess(ulong Offset, uint Region, uint Count);
