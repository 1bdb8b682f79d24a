using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>A doorbell: slot 0 for the command ring, else one of a device (xHCI, doorbell registers).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct XhciDoorbell(Bits32 Raw)
{
    /// <summary>Bits 7:0, 0 at doorbell 0; the context index of an endpoint at the others.</summary>
    public byte Target
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 31:16, which stream of the endpoint; 0 for endpoints without.</summary>
    public ushort Stream
    {
        get => (ushort)Raw.Bits(31, 16);
        init => Raw = Raw.With(31, 16, value);
    }
}
