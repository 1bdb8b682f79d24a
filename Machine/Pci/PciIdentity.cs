namespace Dma.Machine;

/// <summary>Who a PCI function says it is: the read-only fields of its header.</summary>
/// <param name="VendorId">The maker; FFFFh is what an empty place reads as, and no one's.</param>
/// <param name="DeviceId">The maker's number for it.</param>
/// <param name="ClassCode">24 bits: base class, subclass, programming interface; 0C0320h is a USB 2.0 host controller.</param>
/// <param name="Revision">The maker's revision.</param>
/// <param name="SubsystemVendorId">The maker of the board, or zero.</param>
/// <param name="SubsystemId">The board, or zero.</param>
public readonly record struct PciIdentity(
    ushort VendorId, ushort DeviceId, uint ClassCode, byte Revision = 0, ushort SubsystemVendorId = 0, ushort SubsystemId = 0);
