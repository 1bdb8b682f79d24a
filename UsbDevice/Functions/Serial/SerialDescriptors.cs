using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>What a serial port says about itself at each speed.</summary>
internal static class SerialDescriptors
{
    /// <summary>The interface for requests and notifications.</summary>
    public const int ControlInterface = 0;

    /// <summary>The endpoint with data to the host.</summary>
    public const int DataIn = 1;

    /// <summary>The endpoint with data to the device.</summary>
    public const int DataOut = 2;

    /// <summary>The endpoint with notifications.</summary>
    public const int Notifications = 3;

    private const int DataInterface = 1;
    private const int NotificationPacket = 16;

    /// <summary>Bytes in a full packet of a bulk endpoint.</summary>
    /// <exception cref="ArgumentException">There is no such port at that speed.</exception>
    public static int MaxPacketOf(UsbSpeed speed) => speed switch
    {
        UsbSpeed.High => 512,
        UsbSpeed.Full => 64,
        _ => throw new ArgumentException("Serial ports work at full and high speed."),
    };

    /// <summary>All descriptors at a speed.</summary>
    /// <exception cref="ArgumentException">There is no such port at that speed.</exception>
    public static DescriptorSet Of(UsbSpeed speed)
    {
        _ = MaxPacketOf(speed);
        (DescriptorSet high, DescriptorSet full) = (Build(UsbSpeed.High), Build(UsbSpeed.Full));
        DescriptorSet.Pair(high, full);
        return speed == UsbSpeed.High ? high : full;
    }

    private static DescriptorSet Build(UsbSpeed speed)
    {
        DeviceDescriptor device = new()
        {
            UsbVersion = 0x0200,
            Class = DeviceClass.Communications,
            MaxPacketSize0 = 64,
            VendorId = 0x1209,
            ProductId = 0x0005,
            DeviceVersion = 0x0100,
            ManufacturerString = 1,
            ProductString = 2,
        };
        return new(device, [ConfigurationBytes(speed)], ["DMA", "Serial Port"]);
    }

    private static byte[] ConfigurationBytes(UsbSpeed speed)
    {
        int maxPacket = MaxPacketOf(speed);
        const DescriptorType Functional = DescriptorType.ClassInterface;
        return new ConfigurationBuilder(new() { Value = 1, RemoteWakeup = true, MaxPower = 50 })
            .Interface(new() { Number = ControlInterface, Class = DeviceClass.Communications, Subclass = 2, Protocol = 1 })
            .Add(Packed.ToArray(new CdcHeader { Length = CdcHeader.Size, Type = Functional, CdcVersion = 0x0120 }, CdcHeader.Size))
            .Add(Packed.ToArray(
                new CallManagement { Length = CallManagement.Size, Type = Functional, Subtype = CdcSubtype.CallManagement, DataInterface = DataInterface },
                CallManagement.Size))
            .Add(Packed.ToArray(
                new AbstractControl { Length = AbstractControl.Size, Type = Functional, Subtype = CdcSubtype.AbstractControl, LineCoding = true, Break = true },
                AbstractControl.Size))
            .Add(Packed.ToArray(
                new CdcUnion { Length = CdcUnion.Size, Type = Functional, Subtype = CdcSubtype.Union, ControlInterface = ControlInterface, SubordinateInterface = DataInterface },
                CdcUnion.Size))
            .Endpoint(new()
            {
                Number = Notifications,
                In = true,
                TransferType = TransferType.Interrupt,
                MaxPacketSize = NotificationPacket,

                // 32 ms, as milliseconds or as a power of two of microframes.
                Interval = (byte)(speed == UsbSpeed.High ? 9 : 32),
            })
            .Interface(new() { Number = DataInterface, Class = DeviceClass.CommunicationsData })
            .Endpoint(new() { Number = DataOut, TransferType = TransferType.Bulk, MaxPacketSize = maxPacket })
            .Endpoint(new() { Number = DataIn, In = true, TransferType = TransferType.Bulk, MaxPacketSize = maxPacket })
            .ToArray();
    }
}
