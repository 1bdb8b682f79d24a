namespace Dma.Machine;

/// <summary>Spurious-interrupt vector register (Intel SDM volume 3, 11.9).</summary>
/// <param name="Raw">All 32 bits.</param>
public readonly record struct SpuriousVector(Bits32 Raw)
{
    /// <summary>Bits 7:0: the vector of an interrupt that was withdrawn before it was taken.</summary>
    public byte Vector
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bit 8: the local APIC takes fixed interrupts.</summary>
    public bool IsEnabled
    {
        get => Raw.Bit(8);
        init => Raw = Raw.With(8, value);
    }

    /// <summary>Bit 12: the end of a level-triggered interrupt is not told to I/O APICs.</summary>
    public bool SuppressesBroadcast
    {
        get => Raw.Bit(12);
        init => Raw = Raw.With(12, value);
    }
}
