using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>What USB disks say about themselves at each speed.</summary>
internal static class StorageDescriptors
{
    /// <summary>The endpoint with data, and for bulk-only also the status, to the host.</summary>
    public const int DataInNumber = 1;

    /// <summary>The endpoint with data, and for bulk-only also the commands, to the device.</summary>
    public const int DataOutNumber = 2;

    /// <summary>The status pipe of USB attached SCSI.</summary>
    public const int StatusNumber = 3;

    /// <summary>The command pipe of USB attached SCSI.</summary>
    public const int CommandNumber = 4;

    /// <summary>Streams of each pipe that has them, and so commands at once.</summary>
    public const int StreamCount = 1 << StreamExponent;

    private const int StreamExponent = 5;
    private const int BurstPacketsMax = 16;
    private const byte Scsi = 6;
    private const byte BulkOnly = 0x50;
    private const byte AttachedScsi = 0x62;

    /// <summary>Bytes in a full packet of a bulk endpoint.</summary>
    /// <exception cref="ArgumentException">Low speed has no bulk endpoints.</exception>
    public static int MaxPacketOf(UsbSpeed speed) => speed switch
    {
        UsbSpeed.Super => 1024,
        UsbSpeed.High => 512,
        UsbSpeed.Full => 64,
        _ => throw new ArgumentException("Disks work at full speed, high speed and SuperSpeed."),
    };

    /// <summary>All descriptors of a disk.</summary>
    /// <param name="options">Its names.</param>
    /// <param name="speed">The speed that it works at.</param>
    /// <param name="hasUas">Whether alternate setting 1 is USB attached SCSI.</param>
    /// <exception cref="ArgumentException">There is no such disk at that speed.</exception>
    public static DescriptorSet Of(ScsiDiskOptions options, UsbSpeed speed, bool hasUas)
    {
        if (hasUas && speed is not (UsbSpeed.High or UsbSpeed.Super))
            throw new ArgumentException("USB attached SCSI works at high speed and SuperSpeed.");
        if (options.BurstPackets is < 1 or > BurstPacketsMax)
            throw new ArgumentException($"A burst has 1 to {BurstPacketsMax} packets.");
        DescriptorSet set = Build(options, speed, hasUas);

        // What is slower than the other has the old transport alone.
        if (speed == UsbSpeed.High)
            DescriptorSet.Pair(set, Build(options, UsbSpeed.Full, hasUas: false));
        else if (speed == UsbSpeed.Full)
            DescriptorSet.Pair(Build(options, UsbSpeed.High, hasUas: false), set);
        return set;
    }

    private static DescriptorSet Build(ScsiDiskOptions options, UsbSpeed speed, bool hasUas)
    {
        bool isSuper = speed == UsbSpeed.Super;
        DeviceDescriptor device = new()
        {
            UsbVersion = (ushort)(isSuper ? 0x0300 : hasUas ? 0x0210 : 0x0200),
            MaxPacketSize0 = (byte)(isSuper ? 9 : 64),
            VendorId = 0x1209,
            ProductId = (ushort)(hasUas ? 0x0002 : 0x0001),
            DeviceVersion = 0x0100,
            ManufacturerString = 1,
            ProductString = 2,
            SerialNumberString = 3,
        };
        return new(device, [Configuration(options, speed, hasUas)], [options.Vendor, options.Product, options.SerialNumber])
        {
            Capabilities = isSuper || hasUas ? DeviceCapabilities() : [],
        };
    }

    private static byte[] Configuration(ScsiDiskOptions options, UsbSpeed speed, bool hasUas)
    {
        // In units of 2 mA, at SuperSpeed of 8 mA.
        ConfigurationBuilder builder = new(new() { Value = 1, MaxPower = (byte)(speed == UsbSpeed.Super ? 25 : 100) });
        _ = builder.Interface(new() { Class = DeviceClass.MassStorage, Subclass = Scsi, Protocol = BulkOnly });
        Pipe(builder, options, speed, DataInNumber, isIn: true, streams: 0);
        Pipe(builder, options, speed, DataOutNumber, isIn: false, streams: 0);
        if (!hasUas)
            return builder.ToArray();
        _ = builder.Interface(new() { AlternateSetting = 1, Class = DeviceClass.MassStorage, Subclass = Scsi, Protocol = AttachedScsi });
        Pipe(builder, options, speed, CommandNumber, isIn: false, streams: 0);
        Usage(builder, UasPipe.Command);
        Pipe(builder, options, speed, StatusNumber, isIn: true, StreamExponent);
        Usage(builder, UasPipe.Status);
        Pipe(builder, options, speed, DataInNumber, isIn: true, StreamExponent);
        Usage(builder, UasPipe.DataIn);
        Pipe(builder, options, speed, DataOutNumber, isIn: false, StreamExponent);
        Usage(builder, UasPipe.DataOut);
        return builder.ToArray();
    }

    private static void Pipe(ConfigurationBuilder builder, ScsiDiskOptions options, UsbSpeed speed, int number, bool isIn, int streams)
    {
        _ = builder.Endpoint(new() { Number = number, In = isIn, TransferType = TransferType.Bulk, MaxPacketSize = MaxPacketOf(speed) });
        if (speed != UsbSpeed.Super)
            return;
        SuperSpeedCompanionDescriptor companion = new()
        {
            Length = SuperSpeedCompanionDescriptor.Size,
            Type = DescriptorType.SuperSpeedCompanion,
            MaxBurst = (byte)(options.BurstPackets - 1),
            MaxStreams = streams,
        };
        _ = builder.Add(Packed.ToArray(companion, SuperSpeedCompanionDescriptor.Size));
    }

    private static void Usage(ConfigurationBuilder builder, UasPipe pipe) => _ = builder.Add(Packed.ToArray(
        new PipeUsageDescriptor { Length = PipeUsageDescriptor.Size, Type = DescriptorType.ClassInterface, Pipe = pipe },
        PipeUsageDescriptor.Size));

    private static byte[][] DeviceCapabilities() =>
    [
        Packed.ToArray(
            new Usb2ExtensionCapability
            {
                Length = Usb2ExtensionCapability.Size,
                Type = DescriptorType.DeviceCapability,
                Capability = CapabilityType.Usb2Extension,
            },
            Usb2ExtensionCapability.Size),
        Packed.ToArray(
            new SuperSpeedCapability
            {
                Length = SuperSpeedCapability.Size,
                Type = DescriptorType.DeviceCapability,
                Capability = CapabilityType.SuperSpeed,
                FullSpeed = true,
                HighSpeed = true,
                SuperSpeed = true,
                FullFunctionality = 1,
                U1ExitLatency = 10,
                U2ExitLatency = 2047,
            },
            SuperSpeedCapability.Size),
    ];
}
