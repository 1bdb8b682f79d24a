using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The addresses that a merge engine gives to its controller, in place of the links between structures of VMs.</summary>
/// <remarks>
/// Structures are fetched in a segment that no guest-physical address is in, and are so told from buffers. In it, the last two pages are the engine's:
/// <code>
/// FFFF_E000h  the frame list      FFFF_F000h  the head of the ring      FFFF_F100h, FFFF_F200h, ...  "this one", "the next one"
///                                                                       FFFF_F600h  behind the node of which the way back has ended
/// </code>
/// Any other address is the one that the VM itself wrote, in the segment of the VM whose structure is at hand: a qTD, or the siTD of the frame before.
/// </remarks>
internal static class MergeLinks
{
    /// <summary>Bits 63:32 of the address of every structure.</summary>
    public const uint Segment = uint.MaxValue;

    /// <summary>The frame list.</summary>
    public const uint Frames = 0xFFFF_E000;

    /// <summary>The head of the asynchronous list, which is in no memory.</summary>
    public const uint Head = 0xFFFF_F000;

    private const uint AsyncFirst = 0xFFFF_F100;
    private const uint PeriodicFirst = 0xFFFF_F400;
    private const uint Resume = PeriodicFirst + (2 * Stride);
    private const uint Stride = 0x100;
    private const uint OffsetMask = Stride - 1;

    /// <summary>A link within the asynchronous list; two take turns, so that a second look at a structure is told from a step to the next.</summary>
    public static LinkPointer Async(bool turn) => new() { Type = LinkType.QueueHead, Address = AsyncFirst + (turn ? Stride : 0) };

    /// <summary>A link within the list of a frame.</summary>
    public static LinkPointer Periodic(bool turn, LinkType type) => new() { Type = type, Address = PeriodicFirst + (turn ? Stride : 0) };

    /// <summary>The link to what comes behind an FSTN, once its way into the frame before has ended.</summary>
    public static LinkPointer Resumed(LinkType type) => new() { Type = type, Address = Resume };

    /// <summary>Whether a link that a VM wrote leads to where the engine's own are.</summary>
    public static bool IsForbidden(TransferLink link) => !link.Terminate && KindOf(link.Address) != MergeLinkKind.Guest;

    /// <summary>What an address in the segment of the engine names.</summary>
    public static MergeLinkKind KindOf(uint address) => address switch
    {
        < Frames => MergeLinkKind.Guest,
        < Head => MergeLinkKind.Frame,
        < AsyncFirst => MergeLinkKind.Head,
        < AsyncFirst + (2 * Stride) => MergeLinkKind.Async,
        >= PeriodicFirst and < PeriodicFirst + (2 * Stride) => MergeLinkKind.Periodic,
        >= Resume and < Resume + Stride => MergeLinkKind.Resumed,
        _ => MergeLinkKind.Nothing,
    };

    /// <summary>Which of the two links an address is, or lies behind.</summary>
    public static bool TurnOf(uint address) => address - (KindOf(address) == MergeLinkKind.Async ? AsyncFirst : PeriodicFirst) >= Stride;

    /// <summary>How far behind a link an address lies.</summary>
    public static uint OffsetOf(uint address) => address & OffsetMask;
}
