using System.Runtime.InteropServices;

namespace Dma.Lab;

/// <summary>What stands before the capabilities in the first message and its reply (vfio-user, VERSION).</summary>
/// <param name="Major">Different numbers mean that nothing fits.</param>
/// <param name="Minor">Both sides keep to the smaller one.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct VersionMessage(ushort Major, ushort Minor);
