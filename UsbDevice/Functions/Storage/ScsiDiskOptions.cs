namespace Dma.UsbDevice;

/// <summary>What a SCSI disk says about itself.</summary>
public sealed record ScsiDiskOptions
{
    /// <summary>The T10 vendor, up to 8 ASCII characters.</summary>
    public string Vendor { get; init; } = "DMA";

    /// <summary>The product, up to 16 ASCII characters.</summary>
    public string Product { get; init; } = "Simulated Disk";

    /// <summary>The revision, up to 4 ASCII characters.</summary>
    public string Revision { get; init; } = "1.0";

    /// <summary>The serial number: 12 or more digits and capital letters A to F, as bulk-only devices need.</summary>
    public string SerialNumber { get; init; } = "0123456789AB";

    /// <summary>Bytes in a block: 512, 1024, 2048 or 4096.</summary>
    public int BlockLength { get; init; } = 512;

    /// <summary>Whether the medium can be removed, as with a stick.</summary>
    public bool IsRemovable { get; init; } = true;

    /// <summary>At SuperSpeed, how many packets its pipes move in a burst, 1 to 16.</summary>
    public int BurstPackets { get; init; } = 16;

    /// <summary>Whether the first command after a reset fails with a unit attention, as most real disks do.</summary>
    public bool ReportsReset { get; init; } = true;
}
