namespace Dma.Machine;

/// <summary>What a local APIC reports in its error status register (Intel SDM volume 3, 11.5.3).</summary>
[Flags]
public enum LocalApicErrors
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Bit 5: it was told to send a vector below 16.</summary>
    SendIllegalVector = 1 << 5,

    /// <summary>Bit 6: it was sent, or its own table has, a vector below 16.</summary>
    ReceiveIllegalVector = 1 << 6,

    /// <summary>Bit 7: software reached for a register that there is not.</summary>
    IllegalRegisterAddress = 1 << 7,
}
