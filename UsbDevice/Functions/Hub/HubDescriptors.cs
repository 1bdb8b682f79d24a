using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>What a hub says about itself.</summary>
internal static class HubDescriptors
{
    /// <summary>The number of the status-change endpoint.</summary>
    public const int StatusEndpoint = 1;

    private const ushort VendorId = 0x1D6B;
    private const ushort ProductId = 0x0102;

    // Status is asked for every 2^(12-1) microframes, or every 255 ms.
    private const byte HighSpeedInterval = 12;
    private const byte FullSpeedInterval = 255;

    private const byte NoTranslator = 0;
    private const byte OneTranslator = 1;
    private const byte ManyTranslators = 2;

    /// <summary>Bytes of the bitmap of the status-change endpoint.</summary>
    public static int StatusBytes(UsbHubOptions options) => 1 + (options.PortCount / 8);

    /// <summary>The descriptors at a speed.</summary>
    public static DescriptorSet Describe(UsbHubOptions options, UsbSpeed speed)
    {
        bool isHigh = speed == UsbSpeed.High;
        byte protocol = !isHigh ? NoTranslator : options.HasManyTranslators ? ManyTranslators : OneTranslator;
        DeviceDescriptor device = new()
        {
            UsbVersion = options.Speed == UsbSpeed.High ? (ushort)0x0200 : (ushort)0x0110,
            Class = DeviceClass.Hub,
            Protocol = protocol,
            MaxPacketSize0 = 64,
            VendorId = VendorId,
            ProductId = ProductId,
            DeviceVersion = 0x0100,
            ProductString = 1,
        };
        List<byte> configuration = [.. Packed.ToArray(
            new ConfigurationDescriptor
            {
                Length = ConfigurationDescriptor.Size,
                Type = DescriptorType.Configuration,
                InterfaceCount = 1,
                Value = 1,
                AlwaysOne = true,
                SelfPowered = options.IsSelfPowered,
                RemoteWakeup = true,
                MaxPower = options.IsSelfPowered ? (byte)0 : (byte)50,
            },
            ConfigurationDescriptor.Size)];

        // A hub with many translators has two settings: all ports at one of them, and each port at its own.
        for (byte alternate = 0; alternate <= (protocol == ManyTranslators ? 1 : 0); alternate++)
            configuration.AddRange(Interface(options, isHigh, alternate));
        return new(device, [[.. configuration]], ["USB hub"]);
    }

    /// <summary>The hub descriptor with its two bitmaps.</summary>
    public static byte[] Hub(UsbHubOptions options)
    {
        int bitmap = StatusBytes(options);
        HubDescriptor fixedPart = new()
        {
            Length = (byte)(HubDescriptor.Size + (2 * bitmap)),
            Type = DescriptorType.Hub,
            PortCount = (byte)options.PortCount,
            PowerSwitching = options.SwitchesPortsAlone ? 1 : 0,
            IsCompound = options.BuiltIn != 0,
            OverCurrentProtection = 1,
            ThinkTime = options.ThinkTime,
            HasIndicators = options.HasIndicators,
            PowerOnToPowerGood = options.PowerOnToPowerGood,
            ControllerCurrent = 100,
        };
        byte[] whole = new byte[HubDescriptor.Size + (2 * bitmap)];
        Packed.Write(fixedPart, whole.AsSpan(0, HubDescriptor.Size));
        for (int index = 0; index < bitmap; index++)
        {
            whole[HubDescriptor.Size + index] = (byte)(options.BuiltIn >> (8 * index));
            whole[HubDescriptor.Size + bitmap + index] = byte.MaxValue;
        }

        return whole;
    }

    private static byte[] Interface(UsbHubOptions options, bool isHigh, byte alternate) =>
    [
        .. Packed.ToArray(
            new InterfaceDescriptor
            {
                Length = InterfaceDescriptor.Size,
                Type = DescriptorType.Interface,
                AlternateSetting = alternate,
                EndpointCount = 1,
                Class = DeviceClass.Hub,
                Protocol = isHigh && options.HasManyTranslators ? (byte)(OneTranslator + alternate) : NoTranslator,
            },
            InterfaceDescriptor.Size),
        .. Packed.ToArray(
            new EndpointDescriptor
            {
                Length = EndpointDescriptor.Size,
                Type = DescriptorType.Endpoint,
                Number = StatusEndpoint,
                In = true,
                TransferType = TransferType.Interrupt,
                MaxPacketSize = StatusBytes(options),
                Interval = isHigh ? HighSpeedInterval : FullSpeedInterval,
            },
            EndpointDescriptor.Size),
    ];
}
