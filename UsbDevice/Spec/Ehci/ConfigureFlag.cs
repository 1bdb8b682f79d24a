using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>CONFIGFLAG: who gets the ports by default (EHCI, configure flag register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct ConfigureFlag(Bits32 Raw)
{
    /// <summary>Bit 0, CF: all ports belong to this controller; where clear, to companions.</summary>
    public bool Configured
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }
}
