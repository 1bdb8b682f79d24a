namespace Dma.UsbDevice.Spec;

/// <summary>The upper byte of wValue for a feature unit (USB audio 1.0, feature unit control selectors).</summary>
public enum FeatureControl : byte
{
    /// <summary>MUTE_CONTROL, 1 byte.</summary>
    Mute = 1,

    /// <summary>VOLUME_CONTROL, 2 bytes, in 1/256 dB; 8000h is silence.</summary>
    Volume = 2,
}
