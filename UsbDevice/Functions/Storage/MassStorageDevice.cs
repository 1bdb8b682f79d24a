namespace Dma.UsbDevice;

/// <summary>A USB disk: one SCSI disk behind the bulk-only transport (USB mass storage bulk-only 1.0).</summary>
public sealed class MassStorageDevice : StorageDevice
{
    /// <summary>A disk with a serial number.</summary>
    /// <param name="image">Its content.</param>
    /// <param name="options">What it says about itself.</param>
    /// <param name="speed">Full, high or SuperSpeed.</param>
    /// <exception cref="ArgumentException">There is no such disk at that speed, or with such blocks.</exception>
    public MassStorageDevice(IDiskImage image, ScsiDiskOptions? options = null, UsbSpeed speed = UsbSpeed.High)
        : base(image, options ?? new(), speed, hasUas: false)
    {
    }
}
