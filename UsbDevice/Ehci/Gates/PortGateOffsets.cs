namespace Dma.UsbDevice;

/// <summary>The registers of the port gates of an EHCI controller, as offsets from its BAR 2. All are doublewords; bit n is root port n + 1.</summary>
/// <remarks>
/// An extension for sharing in time. A port whose gate is closed keeps its state and its device, which hears start-of-frame packets
/// from the gate and no other packet; in the registers behind BAR 0 it looks as one with nothing plugged in, writes there do not
/// reach it, and HCRESET and CONFIGFLAG leave it alone. A page of its own, so that who has BAR 0 does not have it.
/// </remarks>
public static class PortGateOffsets
{
    /// <summary>The BAR.</summary>
    public const int Bar = 2;

    /// <summary>Bytes in the window.</summary>
    public const int WindowLength = 4096;

    /// <summary>What <see cref="Id"/> reads as: "PGAT", the lowest byte first.</summary>
    public const uint IdValue = 0x5441_4750;

    /// <summary>ID, read-only.</summary>
    public const int Id = 0x00;

    /// <summary>COUNT, read-only: root ports.</summary>
    public const int Count = 0x04;

    /// <summary>GATE: whose gate is closed; 0 after a reset of the function.</summary>
    public const int Gate = 0x08;

    /// <summary>CHANGED: behind whose closed gate a change came; opening the gate reports it as a port change, writing a one forgets it.</summary>
    public const int Changed = 0x0C;

    /// <summary>RESET, write-only: whose PORTSC goes to its reset value, with the gate open or closed.</summary>
    public const int Reset = 0x10;

    /// <summary>PORTSC of root port 1, with the gate open or closed; those of the others follow.</summary>
    public const int FirstPort = 0x40;
}
