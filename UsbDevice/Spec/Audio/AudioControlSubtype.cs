namespace Dma.UsbDevice.Spec;

/// <summary>bDescriptorSubtype in a control interface (USB audio 1.0, class-specific descriptors).</summary>
public enum AudioControlSubtype : byte
{
    /// <summary>HEADER.</summary>
    Header = 1,

    /// <summary>INPUT_TERMINAL.</summary>
    InputTerminal = 2,

    /// <summary>OUTPUT_TERMINAL.</summary>
    OutputTerminal = 3,

    /// <summary>FEATURE_UNIT.</summary>
    FeatureUnit = 6,
}
