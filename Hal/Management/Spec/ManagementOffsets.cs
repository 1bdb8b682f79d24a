namespace Dma.Hal.Spec;

/// <summary>Where the registers of the management device lie behind BAR 0, in bytes (management device, registers).</summary>
public static class ManagementOffsets
{
    /// <summary>Who answers, <see cref="ManagementIdentity"/>; read only.</summary>
    public const int Identity = 0x00;

    /// <summary>What it can do, <see cref="ManagementFeatures"/>; read only.</summary>
    public const int Features = 0x04;

    /// <summary>What it shall do, <see cref="ManagementModes"/>.</summary>
    public const int Mode = 0x08;

    /// <summary>What happened, <see cref="ManagementStatus"/>.</summary>
    public const int Status = 0x0C;

    /// <summary>Bit n starts slot n; a slot that is under way goes on. Reads as zero.</summary>
    public const int Doorbell = 0x10;

    /// <summary>Bit n: slot n is under way, and memory that it names belongs to the device; read only.</summary>
    public const int Busy = 0x14;

    /// <summary>Where the slots lie, bits 31:0; the low seven bits are zero. Stands still while a slot is under way.</summary>
    public const int TableLow = 0x18;

    /// <summary>Where the slots lie, bits 63:32. Stands still while a slot is under way.</summary>
    public const int TableHigh = 0x1C;

    /// <summary>Bit n ends slot n, where it waits for something. Reads as zero.</summary>
    public const int Cancel = 0x20;

    /// <summary>Under which number the management core knows the device, from 1 on; 0 before the first one. Read only.</summary>
    public const int Self = 0x24;

    /// <summary>Which bits of the status interrupt, <see cref="ManagementStatus"/>.</summary>
    public const int InterruptEnable = 0x28;

    /// <summary>How many requests finished since the reset, modulo 2^32; read only.</summary>
    public const int Finished = 0x2C;

    /// <summary>KiB that files may still grow by, FFFFFFFFh for more; read only.</summary>
    public const int QuotaLeft = 0x30;

    /// <summary>A written one in bit 0 resets the device, all but its configuration space. Reads as zero.</summary>
    public const int Control = 0x34;

    /// <summary>The table of MSI-X.</summary>
    public const int MessageTable = 0x800;

    /// <summary>The pending bits of MSI-X.</summary>
    public const int PendingBits = 0xC00;

    /// <summary>Bytes of BAR 0.</summary>
    public const int WindowLength = 0x1000;
}
