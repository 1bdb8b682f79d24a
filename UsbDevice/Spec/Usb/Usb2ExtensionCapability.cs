using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>What the device can do of link power management while it works at high speed (USB 3.x, USB 2.0 extension).</summary>
/// <param name="Raw">Bits 55:0; the rest is zero.</param>
public readonly record struct Usb2ExtensionCapability(Bits64 Raw)
{
    /// <summary>Bytes in the descriptor.</summary>
    public const int Size = 7;

    /// <summary>Bits 7:0, bLength.</summary>
    public byte Length
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 15:8, bDescriptorType.</summary>
    public DescriptorType Type
    {
        get => (DescriptorType)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, (ulong)value);
    }

    /// <summary>Bits 23:16, bDevCapabilityType.</summary>
    public CapabilityType Capability
    {
        get => (CapabilityType)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, (ulong)value);
    }

    /// <summary>Bit 25, of bmAttributes: link power management.</summary>
    public bool LinkPowerManagement
    {
        get => Raw.Bit(25);
        init => Raw = Raw.With(25, value);
    }
}
