namespace Dma.UsbDevice.Spec;

/// <summary>wTerminalType (USB audio terminal types 1.0).</summary>
public enum TerminalType : ushort
{
    /// <summary>USB streaming, 0101h.</summary>
    UsbStreaming = 257,

    /// <summary>Microphone, 0201h.</summary>
    Microphone = 513,

    /// <summary>Speaker, 0301h.</summary>
    Speaker = 769,
}
