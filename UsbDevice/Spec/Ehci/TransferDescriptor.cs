using System.Runtime.InteropServices;
using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>qTD: one buffer of a queue; the overlay of a queue head has the same shape (EHCI, queue element transfer descriptor).</summary>
/// <remarks>
/// In memory as declared: 8 doublewords, followed by 5 more where the controller addresses 64 bits. Aligned to
/// 32 bytes, in one page of 4 KiB. In an overlay, bits 4:1 of doubleword 1 hold the NAK counter, and pages 1
/// and 2 hold the state of a split in their low bits.
/// </remarks>
/// <param name="Next">Doubleword 0: the next qTD.</param>
/// <param name="AlternateNext">Doubleword 1: the next qTD after a short packet.</param>
/// <param name="Token">Doubleword 2: what to do, and how it went.</param>
/// <param name="Page0">Doubleword 3: the first page, and the current offset.</param>
/// <param name="Page1">Doubleword 4.</param>
/// <param name="Page2">Doubleword 5.</param>
/// <param name="Page3">Doubleword 6.</param>
/// <param name="Page4">Doubleword 7.</param>
/// <param name="High0">Doubleword 8: bits 63:32 of the address of page 0.</param>
/// <param name="High1">Doubleword 9.</param>
/// <param name="High2">Doubleword 10.</param>
/// <param name="High3">Doubleword 11.</param>
/// <param name="High4">Doubleword 12.</param>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public readonly record struct TransferDescriptor(
    TransferLink Next,
    TransferLink AlternateNext,
    TransferToken Token,
    BufferPointer Page0,
    BufferPointer Page1,
    BufferPointer Page2,
    BufferPointer Page3,
    BufferPointer Page4,
    Bits32 High0,
    Bits32 High1,
    Bits32 High2,
    Bits32 High3,
    Bits32 High4)
{
    /// <summary>Bytes where the controller addresses 32 bits.</summary>
    public const int Size32 = 32;

    /// <summary>Bytes where the controller addresses 64 bits.</summary>
    public const int Size64 = 52;

    /// <summary>The pages of a buffer, 0 to <c>PageCount - 1</c>.</summary>
    public const int PageCount = 5;

    /// <summary>The most bytes that five pages hold.</summary>
    public const int BytesMax = 0x5000;

    /// <summary>Where <see cref="Token"/> lies, in bytes.</summary>
    public const int TokenOffset = 8;

    /// <summary>Where <see cref="Page0"/> lies, in bytes; the other pages follow.</summary>
    public const int PagesOffset = 12;

    /// <summary>Where <see cref="High0"/> lies, in bytes; the others follow.</summary>
    public const int HighOffset = 32;
}
