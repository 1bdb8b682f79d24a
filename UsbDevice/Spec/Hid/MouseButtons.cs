namespace Dma.UsbDevice.Spec;

/// <summary>The first byte of a mouse report (USB HID, boot mouse).</summary>
[Flags]
public enum MouseButtons : byte
{
    /// <summary>None is held.</summary>
    None = 0,

    /// <summary>Left.</summary>
    Left = 1 << 0,

    /// <summary>Right.</summary>
    Right = 1 << 1,

    /// <summary>Middle.</summary>
    Middle = 1 << 2,
}
