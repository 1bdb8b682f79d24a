namespace Dma.Machine;

/// <summary>The command register (PCI Express base, 7.5.1.1.3).</summary>
[Flags]
public enum PciCommand
{
    /// <summary>Nothing is on.</summary>
    None = 0,

    /// <summary>Bit 0: answer at I/O ports.</summary>
    IoSpace = 1 << 0,

    /// <summary>Bit 1: answer at the addresses of the memory BARs, or of the windows of a bridge.</summary>
    MemorySpace = 1 << 1,

    /// <summary>Bit 2: start memory requests, interrupt messages included; in a bridge, forward those from below.</summary>
    BusMaster = 1 << 2,

    /// <summary>Bit 6: respond to poisoned data.</summary>
    ParityErrorResponse = 1 << 6,

    /// <summary>Bit 8: report non-fatal and fatal errors.</summary>
    SystemErrorEnable = 1 << 8,

    /// <summary>Bit 10: do not assert INTx.</summary>
    InterruptDisable = 1 << 10,
}
