namespace Dma.Machine;

/// <summary>What a capability in the extended configuration space is (PCI Express base, 7.6.3).</summary>
public enum PciExtendedCapabilityId
{
    /// <summary>000Dh: access control services of a port.</summary>
    AccessControl = 0x000D,

    /// <summary>000Fh: address translation services.</summary>
    AddressTranslation = 0x000F,

    /// <summary>0013h: page request interface.</summary>
    PageRequest = 0x0013,

    /// <summary>001Bh: process address space identifiers.</summary>
    Pasid = 0x001B,
}
