using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Descriptors that a recording lacks.</summary>
internal static class MadeUp
{
    private const int FullSpeedPacket = 64;

    /// <summary>A device descriptor for configurations that were recorded alone.</summary>
    /// <param name="configurations">How many.</param>
    public static byte[] Device(int configurations) => Packed.ToArray(
        new DeviceDescriptor
        {
            Length = DeviceDescriptor.Size,
            Type = DescriptorType.Device,
            UsbVersion = 0x0200,
            MaxPacketSize0 = 64,
            VendorId = 0x1209,
            ProductId = 0x0008,
            ConfigurationCount = (byte)configurations,
        },
        DeviceDescriptor.Size);

    /// <summary>A human interface device around a report descriptor that was recorded alone.</summary>
    /// <param name="length">Bytes of the report descriptor.</param>
    /// <param name="form">What it says.</param>
    public static DescriptorBytes AroundReport(int length, HidReportForm form)
    {
        ConfigurationBuilder builder = new ConfigurationBuilder(new() { Value = 1, MaxPower = 50 })
            .Interface(new() { Class = DeviceClass.Hid })
            .Add(Packed.ToArray(
                new HidDescriptor
                {
                    Length = HidDescriptor.Size,
                    Type = DescriptorType.Hid,
                    HidVersion = 0x0111,
                    DescriptorCount = 1,
                    ReportType = DescriptorType.HidReport,
                    ReportLength = (ushort)length,
                },
                HidDescriptor.Size));
        Report(builder, isIn: true, Math.Max(form.InputBytes, 1));
        if (form.OutputBytes != 0)
            Report(builder, isIn: false, form.OutputBytes);
        byte[] configuration = builder.ToArray();
        Packed.Write(
            Packed.Read<ConfigurationDescriptor>(configuration.AsSpan(0, ConfigurationDescriptor.Size)) with { TotalLength = (ushort)configuration.Length },
            configuration.AsSpan(0, ConfigurationDescriptor.Size));
        return new(Device(configurations: 1)) { Configurations = [configuration] };
    }

    private static void Report(ConfigurationBuilder builder, bool isIn, int bytes) => _ = builder.Endpoint(new()
    {
        Number = 1,
        In = isIn,
        TransferType = TransferType.Interrupt,
        MaxPacketSize = Math.Min(bytes, FullSpeedPacket),
        Interval = 10,
    });
}
