using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>How a mouse was moved since the report before (USB HID, boot mouse, with a wheel behind it).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct MouseReport(Bits32 Raw)
{
    /// <summary>Bytes in a report.</summary>
    public const int Size = 4;

    /// <summary>Bytes in a report of the boot form, which has no wheel.</summary>
    public const int BootSize = 3;

    /// <summary>Bits 7:0, buttons that are held.</summary>
    public MouseButtons Buttons
    {
        get => (MouseButtons)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (uint)value);
    }

    /// <summary>Bits 15:8, to the right, -127 to 127.</summary>
    public sbyte X
    {
        get => (sbyte)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, (byte)value);
    }

    /// <summary>Bits 23:16, down, -127 to 127.</summary>
    public sbyte Y
    {
        get => (sbyte)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, (byte)value);
    }

    /// <summary>Bits 31:24, away from the user, -127 to 127; not in the boot form.</summary>
    public sbyte Wheel
    {
        get => (sbyte)Raw.Bits(31, 24);
        init => Raw = Raw.With(31, 24, (byte)value);
    }
}
