using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A USB device that is one SCSI disk; the transports differ.</summary>
public abstract class StorageDevice : StandardDevice
{
    private readonly BulkOnlyTarget _bulkOnly;
    private readonly DescriptorSet _descriptors;
    private readonly DescriptorSet _slower;

    private protected StorageDevice(IDiskImage image, ScsiDiskOptions options, UsbSpeed speed, bool hasUas)
        : this(image, options, speed, StorageDescriptors.Of(options, speed, hasUas)) =>
        _slower = speed == UsbSpeed.Super ? StorageDescriptors.Of(options, UsbSpeed.High, hasUas) : _descriptors;

    private StorageDevice(IDiskImage image, ScsiDiskOptions options, UsbSpeed speed, DescriptorSet descriptors)
        : base(speed, descriptors)
    {
        Disk = new(image, options);
        _bulkOnly = new(Disk, HaltPipe);
        (_descriptors, _slower) = (descriptors, descriptors);
    }

    /// <summary>The SCSI disk.</summary>
    public ScsiDisk Disk { get; }

    /// <summary>The transport that the host chose.</summary>
    private protected virtual IStorageTarget Target => _bulkOnly;

    /// <inheritdoc/>
    protected override void OnReset()
    {
        // On the wires of USB 2 a SuperSpeed disk is one of high speed.
        UseDescriptors(TalksSuperSpeed ? _descriptors : _slower);
        Disk.Reset();
        Target.Begin();
    }

    /// <inheritdoc/>
    protected override void OnConfigured() => Target.Begin();

    /// <inheritdoc/>
    protected override void OnInterfaceSet(int number) => Target.Begin();

    /// <inheritdoc/>
    protected override int OnRequest(in SetupPacket setup, Span<byte> data)
    {
        bool isMine = setup is { Type: RequestType.Class, Recipient: RequestRecipient.Interface, Index: 0, Value: 0 };
        if (!isMine || Target != _bulkOnly || Configuration == 0)
            return Refused;
        switch ((BulkOnlyRequest)setup.Request)
        {
            case BulkOnlyRequest.Reset when setup is { In: false, Length: 0 }:
                // Halts and toggles stay as they are: the host clears them next (3.1).
                _bulkOnly.Begin();
                return 0;
            case BulkOnlyRequest.GetMaxLun when setup is { In: true, Length: 1 }:
                data[0] = 0;
                return 1;
            default:
                return Refused;
        }
    }

    /// <inheritdoc/>
    protected override bool MayClearHalt(DeviceEndpoint endpoint) => Target.MayClearHalt;

    /// <inheritdoc/>
    protected override bool IsReadyFor(DeviceEndpoint endpoint) => Target.IsReadyFor(endpoint);

    /// <inheritdoc/>
    protected override UsbReply OnOut(DeviceEndpoint endpoint, ReadOnlySpan<byte> data) => Target.Out(endpoint, data);

    /// <inheritdoc/>
    protected override UsbReply OnIn(DeviceEndpoint endpoint, Span<byte> packet) => Target.In(endpoint, packet);

    /// <inheritdoc/>
    protected override void OnAcknowledged(DeviceEndpoint endpoint) => Target.Acknowledged(endpoint);

    private void HaltPipe(bool isIn)
    {
        if (Find(isIn ? StorageDescriptors.DataInNumber : StorageDescriptors.DataOutNumber, isIn) is { } endpoint)
            Halt(endpoint);
    }
}
