namespace Dma.Hal;

/// <summary>The number of a hypercall: what a guest may ask of its VMM, and all there is to know to answer it.</summary>
/// <remarks>
/// A call takes a number and four arguments of 64 bits and gives a <see cref="HypercallResult"/>: a
/// <see cref="DmaRefusal"/> and a result of 64 bits. A refused call changed nothing and its result is zero. Arguments
/// that a call does not name are zero; otherwise, and for a number that the VMM does not know, the refusal is
/// <see cref="DmaRefusal.Denied"/>. A device is named by its handle, the source-id that it has in the guest's own PCI
/// topology, in bits 15:0; a handle that is none of the caller's is <see cref="DmaRefusal.NotAssigned"/>.
/// Numbers are never given a new meaning: a guest that knows more calls than its VMM finds out by the refusal.
/// </remarks>
public enum Hypercall
{
    /// <summary>No call; refused as <see cref="DmaRefusal.Denied"/>.</summary>
    None = 0,

    /// <summary>
    /// Lets a device reach memory of the caller.
    /// Arguments: device handle; first guest-physical byte, anywhere in a page; length in bytes, at least 1; <see cref="DmaDirection"/>.
    /// Result: the device address of the first byte, with the same offset in its page; contiguous over the whole length.
    /// Refusals: <see cref="DmaRefusal.NotAssigned"/>; <see cref="DmaRefusal.BadDirection"/> for a direction of none or with bits that mean nothing;
    /// <see cref="DmaRefusal.BadRange"/> where a byte is not the caller's memory, or the range is empty or wraps;
    /// <see cref="DmaRefusal.Exhausted"/> when device addresses, table memory or the caller's quota of pinned pages run out;
    /// <see cref="DmaRefusal.Unreachable"/> where nothing translates for the device and the pages do not lie side by side in the machine;
    /// <see cref="DmaRefusal.Denied"/> by policy.
    /// The pages stay with the caller until they are unmapped. Translation works by pages: the device also reaches what else lies in the first and the last one.
    /// </summary>
    MapDma = 1,

    /// <summary>
    /// Takes a mapping back; when the call returns, the device cannot use it any more, or, where the VMM batches invalidations, not for longer
    /// than it says (<see cref="FlushDma"/>).
    /// Arguments: device handle; device address as <see cref="MapDma"/> returned it; the length that was mapped.
    /// No result. Refusals: <see cref="DmaRefusal.NotAssigned"/>; <see cref="DmaRefusal.NotMapped"/> where no mapping has this address and this length.
    /// </summary>
    UnmapDma = 2,

    /// <summary>
    /// Finds the devices that were assigned to the caller.
    /// Argument: 0, 1, …. Result: the handle of that device.
    /// Refusal: <see cref="DmaRefusal.NotAssigned"/> from the number of assigned devices on.
    /// </summary>
    FindDevice = 3,

    /// <summary>
    /// Waits until the device can use nothing any more that was unmapped before the call.
    /// Argument: device handle. No result. Refusal: <see cref="DmaRefusal.NotAssigned"/>.
    /// Where the VMM invalidates at each unmap there is nothing to wait for.
    /// </summary>
    FlushDma = 4,

    /// <summary>
    /// Says where the caller's grant table lies: memory of the caller, whose entries say which of its pages the host may use.
    /// Arguments: the first byte, a multiple of 4096; pages, 1 to 64, or 0 to have no table any more. No result.
    /// Refusals: <see cref="DmaRefusal.BadRange"/> where that is not the caller's memory, or not whole pages;
    /// <see cref="DmaRefusal.StillMapped"/> while the host uses a page that was granted.
    /// </summary>
    ShareGrants = 5,

    /// <summary>
    /// Connects the caller's front end to the back end that passes on USB devices of the host.
    /// Arguments: the grant of the page that holds the ring of requests; that of the ring of plug events; the vector, 32 to 255,
    /// that is raised when the back end has something to say. Both rings are as they were when their pages were zero.
    /// Result: how many ports there are, in bits 7:0; bit 8 where each request is a call of its own (<see cref="NotifyUsb"/> after each).
    /// Refusals: <see cref="DmaRefusal.NotAssigned"/> where there is no back end for the caller; <see cref="DmaRefusal.StillMapped"/>
    /// where it is connected; <see cref="DmaRefusal.NotMapped"/> for grants that do not let the host write; <see cref="DmaRefusal.BadRange"/>
    /// for another vector; <see cref="DmaRefusal.Denied"/> while the caller's memory is on its way to another computer.
    /// </summary>
    ConnectUsb = 6,

    /// <summary>
    /// Wakes the back end: there are new requests. No arguments, no result.
    /// Refusal: <see cref="DmaRefusal.NotAssigned"/> where none is connected.
    /// </summary>
    NotifyUsb = 7,

    /// <summary>
    /// Ends the connection; when the call returns, the back end uses nothing of the caller's memory any more. No arguments, no result.
    /// Refusal: <see cref="DmaRefusal.NotAssigned"/> where none is connected.
    /// </summary>
    DisconnectUsb = 8,

    /// <summary>
    /// A service VM is ready to serve front ends, which it numbers from 0.
    /// Argument: a vector, 32 to 247; it is raised when a front end comes or goes, and the one behind it by as much as a front end's
    /// number and 1 when that front end notifies. Result: how many front ends there can be.
    /// Refusals: <see cref="DmaRefusal.NotAssigned"/> where the caller is no service VM, which holds for all calls from here on;
    /// <see cref="DmaRefusal.BadRange"/> for another vector.
    /// </summary>
    ServeUsb = 9,

    /// <summary>
    /// Says who came or went. No arguments. Result: the number of the front end in bits 7:0; bits 15:8: 1 where it wants to
    /// connect, 2 where it wants to leave; bit 16 where its requests come as calls.
    /// Refusal: <see cref="DmaRefusal.NotMapped"/> where there is no news.
    /// </summary>
    NextUsbChange = 10,

    /// <summary>
    /// Connects a front end that wants to. Arguments: its number; how many ports it sees, 1 to 31; where its requests come as calls,
    /// two pages of the caller's memory, filled with zeros, in which the VMM lays them and takes answers from; else 0.
    /// Result: where the two rings are, that of requests first: those of the front end itself, or these pages.
    /// Refusals: <see cref="DmaRefusal.NotMapped"/> where it does not want to; <see cref="DmaRefusal.BadRange"/>; <see cref="DmaRefusal.Exhausted"/>.
    /// </summary>
    AcceptUsb = 11,

    /// <summary>
    /// Lets go of a front end that wants to leave, or was to be connected and cannot be: what is mapped of it is unmapped. Argument: its number. No result.
    /// Refusal: <see cref="DmaRefusal.NotMapped"/> where it does neither.
    /// </summary>
    ReleaseUsb = 12,

    /// <summary>
    /// Wakes a front end. Argument: its number. No result.
    /// Refusal: <see cref="DmaRefusal.NotMapped"/> where it is not connected.
    /// </summary>
    NotifyFrontEnd = 13,

    /// <summary>
    /// Maps pages that a front end granted, side by side: for the caller's processor, its devices, or both, at the same address.
    /// Arguments: the number of the front end in bits 7:0 and <see cref="GrantMapFlags"/> in bits 15:8; where the list of
    /// buffer segments lies whose grants are meant; how many, 1 to 16. Result: the address.
    /// Refusals: <see cref="DmaRefusal.NotMapped"/> where it is not connected, or one of them is not granted in that way;
    /// <see cref="DmaRefusal.BadRange"/> for a list that is none; <see cref="DmaRefusal.BadDirection"/> for other flags; <see cref="DmaRefusal.Exhausted"/>.
    /// </summary>
    MapGrants = 14,

    /// <summary>
    /// Takes back what <see cref="MapGrants"/> mapped; when the call returns, neither the caller nor its devices reach it.
    /// Arguments: the number of the front end; the address. No result.
    /// Refusal: <see cref="DmaRefusal.NotMapped"/> where nothing is mapped there.
    /// </summary>
    UnmapGrants = 15,

    /// <summary>
    /// Copies between pieces of pages that a front end granted and memory of the caller.
    /// Arguments: the number of the front end in bits 7:0, bit 8 where the pieces are written; where the list of buffer
    /// segments lies; how many, 1 to 16; the first byte of the caller's memory. No result.
    /// Refusals: <see cref="DmaRefusal.NotMapped"/> where it is not connected, or one piece is not granted in that way, and nothing is copied;
    /// <see cref="DmaRefusal.BadRange"/> for a list that is none, pieces that leave their page, or what is not the caller's memory.
    /// </summary>
    CopyGrants = 16,

    /// <summary>
    /// A service VM is ready to model devices of VMs, whose memory it is shown page by page; it numbers them from 0.
    /// Argument: a vector, 32 to 255, raised when the VMM has taken a page back. Result: how many VMs there can be.
    /// Refusals: <see cref="DmaRefusal.NotAssigned"/> where the caller is no service VM, which holds for all calls from here on;
    /// <see cref="DmaRefusal.BadRange"/> for another vector.
    /// </summary>
    OpenWindows = 17,

    /// <summary>
    /// Shows a page of a VM to the caller's processor, until <see cref="HidePage"/>, or until the VMM takes it back: then nothing is there.
    /// Arguments: the number of the VM; the first byte of the page, as that VM numbers it. Result: where the caller finds it; the same place
    /// where it is shown already. Refusals: <see cref="DmaRefusal.NotMapped"/> where the caller models no devices of such a VM;
    /// <see cref="DmaRefusal.BadRange"/> where that is no page of its memory; <see cref="DmaRefusal.Exhausted"/> where no frame can be had for it,
    /// or places and tables are used up.
    /// </summary>
    ShowPage = 18,

    /// <summary>
    /// Gives back what <see cref="ShowPage"/> showed. Arguments: the number of the VM; the first byte of the page. No result.
    /// Refusal: <see cref="DmaRefusal.NotMapped"/> where it is not shown.
    /// </summary>
    HidePage = 19,

    /// <summary>
    /// Says which page the VMM has taken back. No arguments. Result: the number of the VM in bits 7:0, and its page in bits 63:12. The call says that
    /// nothing leads any more to the places of those that it named before. A page that was shown anew meanwhile is none. Refusal: <see cref="DmaRefusal.NotMapped"/> where there is no news.
    /// </summary>
    NextLostPage = 20,

    /// <summary>
    /// Lets the caller's devices reach memory of a VM whose devices it models; the pages stay until <see cref="UnmapGuest"/>.
    /// Arguments: the number of the VM; the first byte, anywhere in a page; bytes; <see cref="DmaDirection"/>. Result: the device address of the
    /// first byte, contiguous over the whole length. Refusals: <see cref="DmaRefusal.NotMapped"/> where the caller models no devices of such a VM;
    /// <see cref="DmaRefusal.BadDirection"/>; <see cref="DmaRefusal.BadRange"/> where a byte is no memory of that VM, or more than 32 pages are named;
    /// <see cref="DmaRefusal.Exhausted"/> where the VM may have no more pages pinned, or device addresses or tables are used up.
    /// </summary>
    MapGuest = 21,

    /// <summary>
    /// Takes back what <see cref="MapGuest"/> mapped; when the call returns, no device reaches it. Arguments: the number of the VM; the device address.
    /// No result. Refusal: <see cref="DmaRefusal.NotMapped"/> where nothing is mapped there.
    /// </summary>
    UnmapGuest = 22,
}
