namespace Dma.UsbDevice.Spec;

/// <summary>bInterfaceSubClass (USB audio 1.0, interface subclass codes).</summary>
public enum AudioSubclass : byte
{
    /// <summary>AUDIOCONTROL.</summary>
    Control = 1,

    /// <summary>AUDIOSTREAMING.</summary>
    Streaming = 2,
}
