using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>Posted-interrupt descriptor: the interrupts that wait for a virtual processor (VT-d, posted interrupt descriptor).</summary>
/// <remarks>On a 64-byte boundary; hardware updates it atomically. Bits 271:258, 287:280 and 511:320 are reserved.</remarks>
/// <param name="Raw">All 512 bits.</param>
public readonly record struct PostedInterruptDescriptor(Bits512 Raw)
{
    /// <summary>Bits 255:0, PIR: one bit for each vector that waits.</summary>
    public Bits256 Requests
    {
        get => new(Raw.Word0, Raw.Word1, Raw.Word2, Raw.Word3);
        init => Raw = Raw with { Word0 = value.Word0, Word1 = value.Word1, Word2 = value.Word2, Word3 = value.Word3 };
    }

    /// <summary>Bit 256, ON: a notification is on its way.</summary>
    public bool OutstandingNotification
    {
        get => Raw.Bit(256);
        init => Raw = Raw.With(256, value);
    }

    /// <summary>Bit 257, SN: interrupts that are not urgent are posted without notification.</summary>
    public bool SuppressNotification
    {
        get => Raw.Bit(257);
        init => Raw = Raw.With(257, value);
    }

    /// <summary>Bits 279:272, NV: the vector of the notification.</summary>
    public byte NotificationVector
    {
        get => (byte)Raw.Bits(279, 272);
        init => Raw = Raw.With(279, 272, value);
    }

    /// <summary>Bits 319:288, NDST: the physical APIC id that is notified; an xAPIC id in bits 303:296.</summary>
    public uint NotificationDestination
    {
        get => (uint)Raw.Bits(319, 288);
        init => Raw = Raw.With(319, 288, value);
    }
}
