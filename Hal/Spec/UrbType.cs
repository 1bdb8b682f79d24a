namespace Dma.Hal.Spec;

/// <summary>The kind of a transfer (Xen, io/usbif.h, pipe type).</summary>
public enum UrbType
{
    /// <summary>Isochronous.</summary>
    Isochronous = 0,

    /// <summary>Interrupt.</summary>
    Interrupt = 1,

    /// <summary>Control.</summary>
    Control = 2,

    /// <summary>Bulk.</summary>
    Bulk = 3,
}
