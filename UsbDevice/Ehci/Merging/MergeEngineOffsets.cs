namespace Dma.UsbDevice;

/// <summary>The registers of a merge engine, as offsets from BAR 2 of its controller. All are doublewords.</summary>
/// <remarks>A window of its own, which no VM has. A notice interrupts by the message of the controller's function.</remarks>
public static class MergeEngineOffsets
{
    /// <summary>The BAR.</summary>
    public const int Bar = 2;

    /// <summary>Bytes in the window.</summary>
    public const int WindowLength = 8192;

    /// <summary>What <see cref="Id"/> reads as: "MERG", the lowest byte first.</summary>
    public const uint IdValue = 0x4752_454D;

    /// <summary>ID, read-only.</summary>
    public const int Id = 0x00;

    /// <summary>COUNTS, read-only: bits 7:0 slots, one for each VM; bit 16 device addresses are replaced.</summary>
    public const int Counts = 0x04;

    /// <summary>NOTICE0, read-only: which of slots 31:0 have something in <see cref="Status"/>.</summary>
    public const int NoticeLow = 0x08;

    /// <summary>NOTICE1, read-only: which of slots 63:32 have.</summary>
    public const int NoticeHigh = 0x0C;

    /// <summary>LINKSEG, read-only: what CTRLDSSEGMENT of the controller must be.</summary>
    public const int LinkSegment = 0x10;

    /// <summary>LINKFRAMES, read-only: what PERIODICLISTBASE of the controller must be, with a frame list of 1,024 elements.</summary>
    public const int LinkFrames = 0x14;

    /// <summary>LINKHEAD, read-only: what ASYNCLISTADDR of the controller must be when it starts.</summary>
    public const int LinkHead = 0x18;

    /// <summary>ADDRZERO, read-only: bits 7:0 the slot that has address 0, FFh for none.</summary>
    public const int AddressZero = 0x1C;

    /// <summary>The first of the registers of addresses on the bus, read-only, for 0 to 127: bits 31:30 <see cref="AddressState"/>, 15:8 the slot, 6:0 the address that its driver knows.</summary>
    public const int FirstAddress = 0x200;

    /// <summary>The first of the groups of registers of each slot.</summary>
    public const int FirstSlot = 0x1000;

    /// <summary>Bytes in the group of a slot.</summary>
    public const int SlotStride = 0x40;

    /// <summary>CONTROL, in the group of a slot: bit 0 its asynchronous list runs, 1 its periodic list runs, 3:2 the size of its frame list as in USBCMD, 4 its transfers to address 0 wait, 6 its doorbell, which software sets and the engine clears.</summary>
    public const int Control = 0x00;

    /// <summary>SEGMENT, in the group of a slot: its CTRLDSSEGMENT.</summary>
    public const int Segment = 0x04;

    /// <summary>FRAMES, in the group of a slot: its PERIODICLISTBASE.</summary>
    public const int Frames = 0x08;

    /// <summary>RING, in the group of a slot: where its asynchronous list goes on.</summary>
    public const int Ring = 0x0C;

    /// <summary>SHIFT, in the group of a slot: bits 9:0, how many frames its frame index is ahead of that of the controller.</summary>
    public const int Shift = 0x10;

    /// <summary>STATUS, in the group of a slot, cleared by ones: bits 0, 1, 4 and 5 as in USBSTS; 2 address 0 is its own now; 3 see <see cref="Shut"/>.</summary>
    public const int Status = 0x14;

    /// <summary>SHARE, in the group of a slot: nanoseconds of periodic time in a microframe that it may use, up to 100,000.</summary>
    public const int Share = 0x18;

    /// <summary>REQUESTER, in the group of a slot, read-only: bits 15:0, where the function is in the PCI hierarchy under whose name its accesses go out.</summary>
    public const int Requester = 0x1C;

    /// <summary>PORT, in the group of a slot, write-only: bits 7:0 one of its root ports, from 0 on; 9:8 what became of it: 1 its reset ends, 2 nothing passes it any more, 3 nothing passes any.</summary>
    public const int Port = 0x20;

    /// <summary>SHUT, in the group of a slot, cleared by ones: root ports of the slot that software is to shut, a bit for each, since the slot had address 0 for too long; all ones for all of its own.</summary>
    public const int Shut = 0x24;

    /// <summary>CUTOFFS, in the group of a slot, read-only: how often a periodic structure was left out, since there was no time for it.</summary>
    public const int CutOffs = 0x28;
}
