namespace Dma.Lab;

/// <summary>What a message asks for (vfio-user, commands).</summary>
internal enum VfioUserCommand : ushort
{
    /// <summary>Version and capabilities; the first message of a client.</summary>
    Version = 1,

    /// <summary>Memory of the client that the device may reach from now on.</summary>
    DmaMap = 2,

    /// <summary>Memory that it may not reach any more.</summary>
    DmaUnmap = 3,

    /// <summary>What the device is.</summary>
    DeviceGetInfo = 4,

    /// <summary>How large a region is, and what can be done with it.</summary>
    DeviceGetRegionInfo = 5,

    /// <summary>Descriptors by which a hypervisor reaches a region by itself; not offered here.</summary>
    DeviceGetRegionIoFds = 6,

    /// <summary>How many interrupts of a type there are, and what can be done with them.</summary>
    DeviceGetIrqInfo = 7,

    /// <summary>Where interrupts go, and which are masked.</summary>
    DeviceSetIrqs = 8,

    /// <summary>Bytes of a region.</summary>
    RegionRead = 9,

    /// <summary>Bytes into a region.</summary>
    RegionWrite = 10,

    /// <summary>From the server: bytes of the client's memory.</summary>
    DmaRead = 11,

    /// <summary>From the server: bytes into the client's memory.</summary>
    DmaWrite = 12,

    /// <summary>The device as it was when the client came.</summary>
    DeviceReset = 13,

    /// <summary>Which pages the device has written, in older versions of the protocol; not offered here.</summary>
    DirtyPages = 14,

    /// <summary>Several small writes to regions.</summary>
    RegionWriteMulti = 15,

    /// <summary>Migration, and which pages the device has written; not offered here.</summary>
    DeviceFeature = 16,

    /// <summary>Migration; not offered here.</summary>
    MigrationDataRead = 17,

    /// <summary>Migration; not offered here.</summary>
    MigrationDataWrite = 18,
}
