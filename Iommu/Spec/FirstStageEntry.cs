using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>An entry of a first-stage table, of any level: a pointer to the next table, or a page (VT-d, first-stage paging entries).</summary>
/// <remarks>Bits 9, 11 and 62:52 are ignored; bit 7 at levels 5 and 4, and the low bits of a superpage but bit 12, are reserved.</remarks>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct FirstStageEntry(Bits64 Raw)
{
    /// <summary>Bit 0, P: the entry is valid.</summary>
    public bool Present
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, R/W: writes may pass.</summary>
    public bool Writable
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 2, U/S: user requests may pass.</summary>
    public bool User
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3, PWT: with PCD and PAT, the memory type.</summary>
    public bool WriteThrough
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 4, PCD: with PWT and PAT, the memory type.</summary>
    public bool CacheDisabled
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bit 5, A: the entry was used; hardware sets it.</summary>
    public bool Accessed
    {
        get => Raw.Bit(5);
        init => Raw = Raw.With(5, value);
    }

    /// <summary>Bit 6, D: the page was written; hardware sets it; ignored in a pointer.</summary>
    public bool Dirty
    {
        get => Raw.Bit(6);
        init => Raw = Raw.With(6, value);
    }

    /// <summary>Bit 7, PS: a 1 GiB page at level 3, a 2 MiB page at level 2; PAT at level 1, reserved above level 3.</summary>
    public bool PageSize
    {
        get => Raw.Bit(7);
        init => Raw = Raw.With(7, value);
    }

    /// <summary>Bit 8, G: the page is the same for all PASIDs of the domain; ignored in a pointer.</summary>
    public bool Global
    {
        get => Raw.Bit(8);
        init => Raw = Raw.With(8, value);
    }

    /// <summary>Bit 10, EA: the entry was used by a device; hardware sets it where EAFE is set, ignored elsewhere.</summary>
    public bool ExtendedAccessed
    {
        get => Raw.Bit(10);
        init => Raw = Raw.With(10, value);
    }

    /// <summary>Bits 51:12, ADDR: the next table, or the page; bit 12 of a superpage is PAT.</summary>
    /// <remarks>Where translation is nested it is an address for the second stage.</remarks>
    public PhysicalAddress Address
    {
        get => new(Raw.Bits(51, 12) << 12);
        init => Raw = Raw.With(51, 12, Aligned.Shift(value.Value, 12));
    }

    /// <summary>Bit 63, XD: nothing is executed; reserved where NXE is clear.</summary>
    public bool ExecuteDisabled
    {
        get => Raw.Bit(63);
        init => Raw = Raw.With(63, value);
    }
}
