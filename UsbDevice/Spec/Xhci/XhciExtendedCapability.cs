using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>The first doubleword of an extended capability (xHCI, extended capabilities).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct XhciExtendedCapability(Bits32 Raw)
{
    /// <summary>Bits 7:0, what it is.</summary>
    public XhciExtendedId Id
    {
        get => (XhciExtendedId)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (uint)value);
    }

    /// <summary>Bits 15:8, doublewords from here to the next one; 0 ends the list.</summary>
    public int Next
    {
        get => (int)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, (uint)value);
    }
}
