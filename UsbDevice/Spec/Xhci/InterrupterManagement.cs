using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>IMAN (xHCI, interrupter management register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct InterrupterManagement(Bits32 Raw)
{
    /// <summary>Bit 0, IP: an interrupt is pending; written ones clear it, a message too.</summary>
    public bool Pending
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, IE: the interrupter may interrupt.</summary>
    public bool Enable
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }
}
