namespace Dma.UsbDevice;

/// <summary>The registers with which a host gives an xHCI controller to one VM after the other, as offsets from its BAR 2. All are doublewords; bit n is root port n + 1.</summary>
/// <remarks>
/// An extension, as <see cref="PortGateOffsets"/> is one of EHCI: a page of its own, so that who has BAR 0 does not have it. A port whose
/// gate is closed keeps its state and its device, which hears no packet; in the registers behind BAR 0 it looks as one with nothing
/// plugged in, writes there do not reach it, and HCRST leaves it alone. Beside the gates the page tells what no register behind BAR 0
/// does: whether the controller has anything to do, and it takes a microframe index.
/// </remarks>
public static class XhciGateOffsets
{
    /// <summary>The BAR.</summary>
    public const int Bar = 2;

    /// <summary>Bytes in the window.</summary>
    public const int WindowLength = 4096;

    /// <summary>What <see cref="Id"/> reads as: "XGAT", the lowest byte first.</summary>
    public const uint IdValue = 0x5441_4758;

    /// <summary>ID, read-only.</summary>
    public const int Id = 0x00;

    /// <summary>COUNT, read-only: root ports.</summary>
    public const int Count = 0x04;

    /// <summary>GATE: whose gate is closed; 0 after a reset of the function.</summary>
    public const int Gate = 0x08;

    /// <summary>CHANGED: behind whose closed gate a change came; opening the gate makes an event of it, writing a one forgets it.</summary>
    public const int Changed = 0x0C;

    /// <summary>RESET, write-only: whose PORTSC and PORTPMSC go to their reset values, with the gate open or closed.</summary>
    public const int Reset = 0x10;

    /// <summary>READY, read-only: behind whose closed gate a device said ERDY; opening the gate lets it through.</summary>
    public const int Ready = 0x14;

    /// <summary>REPORT, write-only: whose changes, where there are any, count as new when the gate opens, as they do when a controller starts.</summary>
    public const int Report = 0x18;

    /// <summary>BUSY, read-only: 1 while a command, a transfer, an interrupt, or the saving or restoring of state waits for its end.</summary>
    public const int Busy = 0x1C;

    /// <summary>INDEX: bits 15:0 are the microframe index; bits 31:16, which read as zeros, how often it began anew that software has not been told of: for each comes an MFINDEX wrap event when the controller starts, where software wants them. Written only while the controller is halted.</summary>
    public const int Index = 0x20;

    /// <summary>PORTSC, PORTPMSC, PORTLI and PORTHLPMC of root port 1, with the gate open or closed; those of the others follow.</summary>
    public const int FirstPort = 0x400;

    /// <summary>From the registers of one port to those of the next, in bytes.</summary>
    public const int PortStride = 0x10;
}
