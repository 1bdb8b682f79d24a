namespace Dma.Machine;

/// <summary>The configuration headers as tables of registers (PCI Express base, 7.5.1).</summary>
/// <remarks>
/// A header field that is not here reads as zero and ignores writes: base address registers, the interrupt pin and
/// the capability pointer are declared when a function gets them.
/// </remarks>
internal static class PciHeader
{
    /// <summary>Layout 0 in the header type register: an ordinary function.</summary>
    public const int Type0 = 0;

    /// <summary>Layout 1: a bridge.</summary>
    public const int Type1 = 1;

    /// <summary>Bit 7 of the header type register: the device has several functions.</summary>
    public const int MultiFunction = 0x80;

    private const ulong CommandWritable = (ulong)(PciCommand.IoSpace | PciCommand.MemorySpace | PciCommand.BusMaster
        | PciCommand.ParityErrorResponse | PciCommand.SystemErrorEnable | PciCommand.InterruptDisable);

    /// <summary>The registers of an ordinary function.</summary>
    public static IEnumerable<Register> Function(PciIdentity identity) =>
    [
        .. Common(identity, Type0),
        new(PciOffset.SubsystemVendorId, 2, "SSVID", new(identity.SubsystemVendorId)),
        new(PciOffset.SubsystemId, 2, "SSID", new(identity.SubsystemId)),
    ];

    /// <summary>The registers of a bridge; it has no I/O window, whose registers are zero then.</summary>
    public static IEnumerable<Register> Bridge(PciIdentity identity) =>
    [
        .. Common(identity, Type1),
        new(PciOffset.PrimaryBus, 1, "PBN", new(0, Writable: 0xFF)),
        new(PciOffset.SecondaryBus, 1, "SCBN", new(0, Writable: 0xFF)),
        new(PciOffset.SubordinateBus, 1, "SBBN", new(0, Writable: 0xFF)),
        new(PciOffset.SecondaryStatus, 2, "SSTS", new(0, ClearOnOne: (ulong)PciStatus.Errors)),
        new(PciOffset.MemoryBase, 2, "MBL", new(0, Writable: 0xFFF0)),
        new(PciOffset.MemoryLimit, 2, "MLL", new(0, Writable: 0xFFF0)),
        new(PciOffset.PrefetchableBase, 2, "PMBL", new(PciBridge.Window64Bit, Writable: 0xFFF0)),
        new(PciOffset.PrefetchableLimit, 2, "PMLL", new(PciBridge.Window64Bit, Writable: 0xFFF0)),
        new(PciOffset.PrefetchableBaseUpper, 4, "PMBU", new(0, Writable: 0xFFFF_FFFF)),
        new(PciOffset.PrefetchableLimitUpper, 4, "PMLU", new(0, Writable: 0xFFFF_FFFF)),
        new(PciOffset.BridgeControl, 2, "BCTRL", new(0, Writable: PciBridge.ControlWritable)),
    ];

    private static IEnumerable<Register> Common(PciIdentity identity, int type) =>
    [
        new(PciOffset.VendorId, 2, "VID", new(identity.VendorId)),
        new(PciOffset.DeviceId, 2, "DID", new(identity.DeviceId)),
        new(PciOffset.Command, 2, "CMD", new(0, Writable: CommandWritable)),
        new(PciOffset.Status, 2, "STS", StatusRule(hasCapabilities: false)),
        new(PciOffset.Revision, 1, "RID", new(identity.Revision)),
        new(PciOffset.ClassCode, 1, "PI", new(identity.ClassCode & 0xFF)),
        new(PciOffset.ClassCode + 1, 1, "SCC", new((identity.ClassCode >> 8) & 0xFF)),
        new(PciOffset.ClassCode + 2, 1, "BCC", new((identity.ClassCode >> 16) & 0xFF)),
        new(PciOffset.CacheLineSize, 1, "CLS", new(0, Writable: 0xFF)),
        new(PciOffset.HeaderType, 1, "HTYPE", new((ulong)type)),
        new(PciOffset.CapabilityPointer, 1, "CAPP", new(0)),
        new(PciOffset.InterruptLine, 1, "INTL", new(0, Writable: 0xFF)),
    ];

    /// <summary>The status register of a function with or without capabilities.</summary>
    public static RegisterRule StatusRule(bool hasCapabilities) =>
        new(hasCapabilities ? (ulong)PciStatus.CapabilitiesList : 0, ClearOnOne: (ulong)PciStatus.Errors);
}
