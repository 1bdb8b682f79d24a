using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>What makes one human interface device another than the next.</summary>
/// <param name="Product">Its name.</param>
/// <param name="ProductId">idProduct.</param>
/// <param name="BootProtocol">bInterfaceProtocol: 1 for a keyboard, 2 for a mouse.</param>
/// <param name="ReportDescriptor">The form of its reports.</param>
/// <param name="ReportMax">Bytes in its longest input report, up to 8.</param>
/// <param name="DefaultIdle">The idle duration after a reset, in units of 4 ms; 0 for none.</param>
internal sealed record HidDescription(
    string Product, ushort ProductId, byte BootProtocol, byte[] ReportDescriptor, int ReportMax, byte DefaultIdle)
{
    /// <summary>The endpoint that sends reports.</summary>
    public const int ReportEndpoint = 1;

    private const byte BootSubclass = 1;

    /// <summary>The HID descriptor.</summary>
    public byte[] HidDescriptor { get; } = Packed.ToArray(
        new HidDescriptor
        {
            Length = Spec.HidDescriptor.Size,
            Type = DescriptorType.Hid,
            HidVersion = 0x0111,
            DescriptorCount = 1,
            ReportType = DescriptorType.HidReport,
            ReportLength = (ushort)ReportDescriptor.Length,
        },
        Spec.HidDescriptor.Size);

    /// <summary>All descriptors at a speed.</summary>
    /// <exception cref="ArgumentException">It does not work at that speed.</exception>
    public DescriptorSet At(UsbSpeed speed)
    {
        if (speed == UsbSpeed.Super)
            throw new ArgumentException("Keyboards and mice work at low, full and high speed.");
        DescriptorSet set = Build(speed);
        if (speed == UsbSpeed.High)
            DescriptorSet.Pair(set, Build(UsbSpeed.Full));
        return set;
    }

    private DescriptorSet Build(UsbSpeed speed)
    {
        DeviceDescriptor device = new()
        {
            UsbVersion = 0x0200,
            MaxPacketSize0 = (byte)(speed == UsbSpeed.Low ? 8 : 64),
            VendorId = 0x1209,
            ProductId = ProductId,
            DeviceVersion = 0x0100,
            ManufacturerString = 1,
            ProductString = 2,
        };
        return new(device, [Configuration(speed)], ["DMA", Product]);
    }

    private byte[] Configuration(UsbSpeed speed) => new ConfigurationBuilder(new() { Value = 1, RemoteWakeup = true, MaxPower = 50 })
        .Interface(new() { Class = DeviceClass.Hid, Subclass = BootSubclass, Protocol = BootProtocol })
        .Add(HidDescriptor)
        .Endpoint(new()
        {
            Number = ReportEndpoint,
            In = true,
            TransferType = TransferType.Interrupt,
            MaxPacketSize = ReportMax,

            // 8 ms as a power of two of microframes, or 10 ms.
            Interval = (byte)(speed == UsbSpeed.High ? 7 : 10),
        })
        .ToArray();
}
