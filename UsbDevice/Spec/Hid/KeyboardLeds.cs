namespace Dma.UsbDevice.Spec;

/// <summary>The output report of a keyboard (USB HID, boot keyboard).</summary>
[Flags]
public enum KeyboardLeds : byte
{
    /// <summary>All are dark.</summary>
    None = 0,

    /// <summary>Num Lock.</summary>
    NumLock = 1 << 0,

    /// <summary>Caps Lock.</summary>
    CapsLock = 1 << 1,

    /// <summary>Scroll Lock.</summary>
    ScrollLock = 1 << 2,

    /// <summary>Compose.</summary>
    Compose = 1 << 3,

    /// <summary>Kana.</summary>
    Kana = 1 << 4,
}
