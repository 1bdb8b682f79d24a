namespace Dma.Machine;

/// <summary>Local vector table entry: what one of a local APIC's own sources raises (Intel SDM volume 3, 11.5.1).</summary>
/// <param name="Raw">All 32 bits.</param>
public readonly record struct LocalVectorEntry(Bits32 Raw)
{
    /// <summary>Bits 7:0: the vector of a fixed interrupt.</summary>
    public byte Vector
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 10:8 of a pin's entry: 0 is fixed, 4 is NMI.</summary>
    public int DeliveryMode
    {
        get => (int)Raw.Bits(10, 8);
        init => Raw = Raw.With(10, 8, (uint)value);
    }

    /// <summary>Bit 13 of a pin's entry: the pin is active when low.</summary>
    public bool IsActiveLow
    {
        get => Raw.Bit(13);
        init => Raw = Raw.With(13, value);
    }

    /// <summary>Bit 14 of a pin's entry: a level was taken, and its end has not come.</summary>
    public bool RemoteRequest
    {
        get => Raw.Bit(14);
        init => Raw = Raw.With(14, value);
    }

    /// <summary>Bit 15 of a pin's entry: level-triggered.</summary>
    public bool IsLevel
    {
        get => Raw.Bit(15);
        init => Raw = Raw.With(15, value);
    }

    /// <summary>Bit 16: nothing is raised.</summary>
    public bool IsMasked
    {
        get => Raw.Bit(16);
        init => Raw = Raw.With(16, value);
    }

    /// <summary>Bit 17 of the timer's entry: it begins again each time.</summary>
    public bool IsPeriodic
    {
        get => Raw.Bit(17);
        init => Raw = Raw.With(17, value);
    }
}
