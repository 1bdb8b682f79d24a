namespace Dma.UsbDevice.Spec;

/// <summary>The first byte of a keyboard report (USB HID, boot keyboard).</summary>
[Flags]
public enum KeyModifiers : byte
{
    /// <summary>None is held.</summary>
    None = 0,

    /// <summary>Left Control.</summary>
    LeftControl = 1 << 0,

    /// <summary>Left Shift.</summary>
    LeftShift = 1 << 1,

    /// <summary>Left Alt.</summary>
    LeftAlt = 1 << 2,

    /// <summary>Left GUI.</summary>
    LeftGui = 1 << 3,

    /// <summary>Right Control.</summary>
    RightControl = 1 << 4,

    /// <summary>Right Shift.</summary>
    RightShift = 1 << 5,

    /// <summary>Right Alt.</summary>
    RightAlt = 1 << 6,

    /// <summary>Right GUI.</summary>
    RightGui = 1 << 7,
}
