using System.Runtime.InteropServices;
using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>iTD: one frame of an isochronous endpoint at high speed (EHCI, isochronous transfer descriptor).</summary>
/// <remarks>In memory as declared: 16 doublewords, followed by 7 more where the controller addresses 64 bits.</remarks>
/// <param name="Next">Doubleword 0: the next structure of the schedule.</param>
/// <param name="Slot0">Doubleword 1: microframe 0 of the frame.</param>
/// <param name="Slot1">Doubleword 2.</param>
/// <param name="Slot2">Doubleword 3.</param>
/// <param name="Slot3">Doubleword 4.</param>
/// <param name="Slot4">Doubleword 5.</param>
/// <param name="Slot5">Doubleword 6.</param>
/// <param name="Slot6">Doubleword 7.</param>
/// <param name="Slot7">Doubleword 8.</param>
/// <param name="Page0">Doubleword 9: page 0, with the address of the endpoint.</param>
/// <param name="Page1">Doubleword 10: page 1, with the direction and the size of a packet.</param>
/// <param name="Page2">Doubleword 11: page 2, with the number of transactions.</param>
/// <param name="Page3">Doubleword 12.</param>
/// <param name="Page4">Doubleword 13.</param>
/// <param name="Page5">Doubleword 14.</param>
/// <param name="Page6">Doubleword 15.</param>
/// <param name="High0">Doubleword 16: bits 63:32 of the address of page 0.</param>
/// <param name="High1">Doubleword 17.</param>
/// <param name="High2">Doubleword 18.</param>
/// <param name="High3">Doubleword 19.</param>
/// <param name="High4">Doubleword 20.</param>
/// <param name="High5">Doubleword 21.</param>
/// <param name="High6">Doubleword 22.</param>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public readonly record struct IsochronousTransferDescriptor(
    LinkPointer Next,
    IsochronousSlot Slot0,
    IsochronousSlot Slot1,
    IsochronousSlot Slot2,
    IsochronousSlot Slot3,
    IsochronousSlot Slot4,
    IsochronousSlot Slot5,
    IsochronousSlot Slot6,
    IsochronousSlot Slot7,
    IsochronousPointer Page0,
    IsochronousPointer Page1,
    IsochronousPointer Page2,
    IsochronousPointer Page3,
    IsochronousPointer Page4,
    IsochronousPointer Page5,
    IsochronousPointer Page6,
    Bits32 High0,
    Bits32 High1,
    Bits32 High2,
    Bits32 High3,
    Bits32 High4,
    Bits32 High5,
    Bits32 High6)
{
    /// <summary>Bytes where the controller addresses 32 bits.</summary>
    public const int Size32 = 64;

    /// <summary>Bytes where the controller addresses 64 bits.</summary>
    public const int Size64 = 92;

    /// <summary>Where <see cref="Slot0"/> lies, in bytes; the other slots follow.</summary>
    public const int SlotsOffset = 4;

    /// <summary>Where <see cref="Page0"/> lies, in bytes; the other pages follow.</summary>
    public const int PagesOffset = 36;

    /// <summary>Where <see cref="High0"/> lies, in bytes; the others follow.</summary>
    public const int HighOffset = 64;

    /// <summary>The pages of a buffer.</summary>
    public const int PageCount = 7;
}
