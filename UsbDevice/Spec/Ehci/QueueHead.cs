using System.Runtime.InteropServices;

namespace Dma.UsbDevice.Spec;

/// <summary>QH: the queue of one endpoint (EHCI, queue head).</summary>
/// <remarks>
/// In memory as declared: 12 doublewords, followed by 5 more where the controller addresses 64 bits. Aligned to
/// 32 bytes, in one page of 4 KiB.
/// </remarks>
/// <param name="Horizontal">Doubleword 0: the next structure of the schedule.</param>
/// <param name="Characteristics">Doubleword 1: which endpoint, and how it is served.</param>
/// <param name="Capabilities">Doubleword 2: when, and through which hub.</param>
/// <param name="Current">Doubleword 3: the qTD that the overlay is a copy of.</param>
/// <param name="Overlay">Doublewords 4 to 16: the controller's working copy of the current qTD.</param>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public readonly record struct QueueHead(
    LinkPointer Horizontal,
    EndpointCharacteristics Characteristics,
    EndpointCapabilities Capabilities,
    TransferLink Current,
    TransferDescriptor Overlay)
{
    /// <summary>Bytes where the controller addresses 32 bits.</summary>
    public const int Size32 = 48;

    /// <summary>Bytes where the controller addresses 64 bits.</summary>
    public const int Size64 = 68;

    /// <summary>Where <see cref="Current"/> lies, in bytes: the first that the controller writes.</summary>
    public const int CurrentOffset = 12;

    /// <summary>Where <see cref="Overlay"/> lies, in bytes.</summary>
    public const int OverlayOffset = 16;
}
