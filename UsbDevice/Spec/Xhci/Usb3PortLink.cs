using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>PORTLI of a USB 3 port (xHCI, port link info register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct Usb3PortLink(Bits32 Raw)
{
    /// <summary>Bits 15:0, link errors since the last reset; read only.</summary>
    public int ErrorCount
    {
        get => (int)Raw.Bits(15, 0);
        init => Raw = Raw.With(15, 0, (uint)value);
    }
}
