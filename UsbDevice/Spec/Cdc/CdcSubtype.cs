namespace Dma.UsbDevice.Spec;

/// <summary>bDescriptorSubtype of a functional descriptor (USB CDC, functional descriptors).</summary>
public enum CdcSubtype : byte
{
    /// <summary>Header.</summary>
    Header = 0,

    /// <summary>Call management.</summary>
    CallManagement = 1,

    /// <summary>Abstract control management.</summary>
    AbstractControl = 2,

    /// <summary>Union.</summary>
    Union = 6,
}
