using System.Runtime.InteropServices;

namespace Dma.UsbDevice.Spec;

/// <summary>FSTN: lets interrupt splits of one frame be completed in the next (EHCI, periodic frame span traversal node).</summary>
/// <param name="Normal">Doubleword 0: the path that is always taken.</param>
/// <param name="Back">Doubleword 1: the path into the frame before; where it terminates, the node ends such a path.</param>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public readonly record struct FrameSpanNode(LinkPointer Normal, LinkPointer Back)
{
    /// <summary>Bytes.</summary>
    public const int Size = 8;
}
