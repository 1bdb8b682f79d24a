using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>An entry of a second-stage table, of any level: a pointer to the next table, or a page (VT-d, second-stage paging entries).</summary>
/// <remarks>Not present where R and W are both clear. Bits 10, 61:52 and 63 are ignored.</remarks>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct SecondStageEntry(Bits64 Raw)
{
    /// <summary>Bit 0, R: reads may pass.</summary>
    public bool Read
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, W: writes may pass.</summary>
    public bool Write
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 2, X: hardware ignores it for DMA.</summary>
    public bool Execute
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bits 5:3, EMT: the memory type of a page; used only with EMTE.</summary>
    public int MemoryType
    {
        get => (int)Raw.Bits(5, 3);
        init => Raw = Raw.With(5, 3, (ulong)value);
    }

    /// <summary>Bit 6, IPAT: overrides the PAT; used only with EMTE.</summary>
    public bool IgnorePat
    {
        get => Raw.Bit(6);
        init => Raw = Raw.With(6, value);
    }

    /// <summary>Bit 7, PS: a 1 GiB page at level 3, a 2 MiB page at level 2; ignored at level 1, reserved above level 3.</summary>
    public bool PageSize
    {
        get => Raw.Bit(7);
        init => Raw = Raw.With(7, value);
    }

    /// <summary>Bit 8, A: the entry was used; hardware sets it where accessed and dirty bits are enabled.</summary>
    public bool Accessed
    {
        get => Raw.Bit(8);
        init => Raw = Raw.With(8, value);
    }

    /// <summary>Bit 9, D: the page was written; hardware sets it where accessed and dirty bits are enabled.</summary>
    public bool Dirty
    {
        get => Raw.Bit(9);
        init => Raw = Raw.With(9, value);
    }

    /// <summary>Bit 11, SNP: accesses to the page snoop the caches; reserved where ECAP.SC is clear.</summary>
    public bool Snoop
    {
        get => Raw.Bit(11);
        init => Raw = Raw.With(11, value);
    }

    /// <summary>Bits 51:12, ADDR: the next table, or the page; low bits of a superpage are reserved.</summary>
    public PhysicalAddress Address
    {
        get => new(Raw.Bits(51, 12) << 12);
        init => Raw = Raw.With(51, 12, Aligned.Shift(value.Value, 12));
    }

    /// <summary>Bit 62, TM: reserved.</summary>
    public bool TransientMapping
    {
        get => Raw.Bit(62);
        init => Raw = Raw.With(62, value);
    }
}
