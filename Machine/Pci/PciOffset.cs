namespace Dma.Machine;

/// <summary>Offsets of the configuration header (PCI Express base, 7.5.1), in bytes.</summary>
public static class PciOffset
{
    /// <summary>Vendor ID, 2 bytes.</summary>
    public const int VendorId = 0x00;

    /// <summary>Device ID, 2 bytes.</summary>
    public const int DeviceId = 0x02;

    /// <summary>Command, 2 bytes: <see cref="PciCommand"/>.</summary>
    public const int Command = 0x04;

    /// <summary>Status, 2 bytes: <see cref="PciStatus"/>.</summary>
    public const int Status = 0x06;

    /// <summary>Revision ID, 1 byte.</summary>
    public const int Revision = 0x08;

    /// <summary>Class code, 3 bytes: programming interface, subclass, base class.</summary>
    public const int ClassCode = 0x09;

    /// <summary>Cache line size, 1 byte; read/write, without effect.</summary>
    public const int CacheLineSize = 0x0C;

    /// <summary>Latency timer, 1 byte; zero.</summary>
    public const int LatencyTimer = 0x0D;

    /// <summary>Header type, 1 byte: bits 6:0 the layout, bit 7 whether the device has several functions.</summary>
    public const int HeaderType = 0x0E;

    /// <summary>Built-in self test, 1 byte; zero.</summary>
    public const int SelfTest = 0x0F;

    /// <summary>The first base address register, 4 bytes; six in a type 0 header.</summary>
    public const int Bar0 = 0x10;

    /// <summary>Type 1: bus number above the bridge, 1 byte.</summary>
    public const int PrimaryBus = 0x18;

    /// <summary>Type 1: bus number right below the bridge, 1 byte.</summary>
    public const int SecondaryBus = 0x19;

    /// <summary>Type 1: highest bus number below the bridge, 1 byte.</summary>
    public const int SubordinateBus = 0x1A;

    /// <summary>Type 1: status of the secondary side, 2 bytes.</summary>
    public const int SecondaryStatus = 0x1E;

    /// <summary>Type 1: bits 31:20 of the first address of the memory window, in bits 15:4.</summary>
    public const int MemoryBase = 0x20;

    /// <summary>Type 1: bits 31:20 of the last address of the memory window, in bits 15:4.</summary>
    public const int MemoryLimit = 0x22;

    /// <summary>Type 1: as <see cref="MemoryBase"/> for the prefetchable window.</summary>
    public const int PrefetchableBase = 0x24;

    /// <summary>Type 1: as <see cref="MemoryLimit"/> for the prefetchable window.</summary>
    public const int PrefetchableLimit = 0x26;

    /// <summary>Type 1: bits 63:32 of the first prefetchable address.</summary>
    public const int PrefetchableBaseUpper = 0x28;

    /// <summary>Type 1: bits 63:32 of the last prefetchable address.</summary>
    public const int PrefetchableLimitUpper = 0x2C;

    /// <summary>Type 0: subsystem vendor ID, 2 bytes.</summary>
    public const int SubsystemVendorId = 0x2C;

    /// <summary>Type 0: subsystem ID, 2 bytes.</summary>
    public const int SubsystemId = 0x2E;

    /// <summary>Offset of the first capability, 1 byte; 0 where there is none.</summary>
    public const int CapabilityPointer = 0x34;

    /// <summary>Interrupt line, 1 byte; what firmware noted, without effect.</summary>
    public const int InterruptLine = 0x3C;

    /// <summary>Interrupt pin, 1 byte: 1 to 4 for INTA to INTD, 0 for none.</summary>
    public const int InterruptPin = 0x3D;

    /// <summary>Type 1: bridge control, 2 bytes.</summary>
    public const int BridgeControl = 0x3E;

    /// <summary>Where capabilities and the registers of the device itself begin.</summary>
    public const int AfterHeader = 0x40;

    /// <summary>Where extended capabilities begin, and where the space of a conventional function ends.</summary>
    public const int Extended = 0x100;

    /// <summary>Where the space of a PCI Express function ends.</summary>
    public const int End = 0x1000;
}
