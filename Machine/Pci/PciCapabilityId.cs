namespace Dma.Machine;

/// <summary>What a capability in the first 256 bytes is.</summary>
public enum PciCapabilityId
{
    /// <summary>05h: message-signalled interrupts.</summary>
    Msi = 0x05,

    /// <summary>09h: whatever the vendor wants.</summary>
    VendorSpecific = 0x09,

    /// <summary>10h: PCI Express.</summary>
    PciExpress = 0x10,

    /// <summary>11h: message-signalled interrupts with a table in memory.</summary>
    Msix = 0x11,
}
