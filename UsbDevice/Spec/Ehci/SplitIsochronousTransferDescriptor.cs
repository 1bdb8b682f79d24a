using System.Runtime.InteropServices;
using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>siTD: one frame of a full-speed isochronous endpoint behind a hub (EHCI, split transaction isochronous transfer descriptor).</summary>
/// <remarks>In memory as declared: 7 doublewords, followed by 2 more where the controller addresses 64 bits.</remarks>
/// <param name="Next">Doubleword 0: the next structure of the schedule.</param>
/// <param name="Endpoint">Doubleword 1: which endpoint, through which hub.</param>
/// <param name="Schedule">Doubleword 2: in which microframes.</param>
/// <param name="State">Doubleword 3: what is done and what is left.</param>
/// <param name="Page0">Doubleword 4: page 0, and the current offset.</param>
/// <param name="Page1">Doubleword 5: page 1, and what the next start-split carries.</param>
/// <param name="Back">Doubleword 6: the siTD of the frame before, whose last complete-splits fall into this frame.</param>
/// <param name="High0">Doubleword 7: bits 63:32 of the address of page 0.</param>
/// <param name="High1">Doubleword 8: bits 63:32 of the address of page 1.</param>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public readonly record struct SplitIsochronousTransferDescriptor(
    LinkPointer Next,
    SplitIsochronousEndpoint Endpoint,
    SplitIsochronousSchedule Schedule,
    SplitIsochronousState State,
    SplitIsochronousPointer Page0,
    SplitIsochronousPointer Page1,
    LinkPointer Back,
    Bits32 High0,
    Bits32 High1)
{
    /// <summary>Bytes where the controller addresses 32 bits.</summary>
    public const int Size32 = 28;

    /// <summary>Bytes where the controller addresses 64 bits.</summary>
    public const int Size64 = 36;

    /// <summary>Where <see cref="State"/> lies, in bytes: the first that the controller writes.</summary>
    public const int StateOffset = 12;
}
