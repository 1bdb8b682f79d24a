using System.Runtime.InteropServices;

namespace Dma.Lab;

/// <summary>One of several writes (vfio-user, REGION_WRITE_MULTI).</summary>
/// <param name="Access">Which bytes, 8 at most.</param>
/// <param name="Data">The bytes, lowest first.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct SmallRegionWrite(RegionAccess Access, ulong Data);
