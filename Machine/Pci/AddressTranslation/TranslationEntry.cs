namespace Dma.Machine;

/// <summary>One entry of a translation completion, 64 bits, in the order of its value (PCI Express, ATS, translation completion data entry).</summary>
/// <param name="Raw">The bits.</param>
public readonly record struct TranslationEntry(Bits64 Raw)
{
    /// <summary>Bits 63:12, the translated address; with <see cref="Size"/>, low ones in it tell the length.</summary>
    public PhysicalAddress Address
    {
        get => new(Raw.Value & Bits64.Mask(63, 12));
        init => Raw = Raw.With(63, 12, value.Value >> 12);
    }

    /// <summary>Bit 11, S: the entry speaks of more than 4 KiB.</summary>
    public bool Size
    {
        get => Raw.Bit(11);
        init => Raw = Raw.With(11, value);
    }

    /// <summary>Bit 10, N: requests that use the entry must not ask for no-snoop.</summary>
    public bool NonSnooped
    {
        get => Raw.Bit(10);
        init => Raw = Raw.With(10, value);
    }

    /// <summary>Bit 5, Global: the entry is good for all PASIDs.</summary>
    public bool Global
    {
        get => Raw.Bit(5);
        init => Raw = Raw.With(5, value);
    }

    /// <summary>Bit 4, Priv: the rights are those of requests with supervisor privilege.</summary>
    public bool Privileged
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bit 3, Exe: what is read may be executed.</summary>
    public bool Execute
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 2, U: only untranslated requests may be used.</summary>
    public bool UntranslatedOnly
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 1, W: writes are permitted, and reads of nothing.</summary>
    public bool Write
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 0, R: reads are permitted.</summary>
    public bool Read
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }
}
