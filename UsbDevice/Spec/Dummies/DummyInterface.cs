namespace Dma.UsbDevice.Spec;

/// <summary>What a dummy device says of itself, so that its driver finds it (dummy device, descriptors).</summary>
/// <remarks>
/// Interface 0 has an interrupt endpoint that sends <see cref="ReservationNotice"/>. Interface 1 has nothing in its first
/// setting, and in each further one isochronous endpoints of a high-speed device that take more bus time than those of the
/// one before. A driver chooses one of them to reserve that time, and never moves data.
/// </remarks>
public static class DummyInterface
{
    /// <summary>idVendor.</summary>
    public const ushort VendorId = 0x1209;

    /// <summary>idProduct.</summary>
    public const ushort ProductId = 0x00D0;

    /// <summary>bInterfaceSubClass of both interfaces; their class is vendor-specific.</summary>
    public const byte Subclass = 0x44;

    /// <summary>bInterfaceNumber of the interface with the interrupt endpoint.</summary>
    public const byte Notices = 0;

    /// <summary>bInterfaceNumber of the interface whose settings reserve.</summary>
    public const byte Reservation = 1;

    /// <summary>bRequest of a vendor request to the second interface, without data: the host has no time for what the notice asks for whose number is wValue.</summary>
    public const byte Refuse = 1;
}
