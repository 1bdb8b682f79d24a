namespace Dma.UsbDevice.Spec;

/// <summary>bDescriptorSubtype in a streaming interface (USB audio 1.0, class-specific descriptors).</summary>
public enum AudioStreamingSubtype : byte
{
    /// <summary>AS_GENERAL, and EP_GENERAL of an endpoint.</summary>
    General = 1,

    /// <summary>FORMAT_TYPE.</summary>
    FormatType = 2,
}
