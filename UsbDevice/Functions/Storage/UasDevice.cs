namespace Dma.UsbDevice;

/// <summary>A USB disk that takes several commands at once: bulk-only as it comes, USB attached SCSI as alternate setting 1.</summary>
/// <remarks>Both transports lead to the same disk. A host that knows only the old one never notices the other.</remarks>
public sealed class UasDevice : StorageDevice
{
    private const int UasSetting = 1;

    private readonly UasTarget _uas;

    /// <summary>A disk with a serial number.</summary>
    /// <param name="image">Its content.</param>
    /// <param name="options">What it says about itself.</param>
    /// <param name="speed">High, where READ READY and WRITE READY tell the host whose data is next, or SuperSpeed, where streams do.</param>
    /// <exception cref="ArgumentException">There is no such disk at that speed, or with such blocks.</exception>
    public UasDevice(IDiskImage image, ScsiDiskOptions? options = null, UsbSpeed speed = UsbSpeed.High)
        : base(image, options ?? new(), speed, hasUas: true) =>
        _uas = new(Disk) { StreamCount = speed == UsbSpeed.Super ? StorageDescriptors.StreamCount : 0 };

    /// <summary>Commands that wait or run.</summary>
    public int TasksInFlight => Target == _uas ? _uas.TaskCount : 0;

    /// <inheritdoc/>
    protected override void OnReset()
    {
        _uas.StreamCount = TalksSuperSpeed ? StorageDescriptors.StreamCount : 0;
        base.OnReset();
    }

    /// <inheritdoc/>
    private protected override IStorageTarget Target => AlternateOf(0) == UasSetting ? _uas : base.Target;
}
