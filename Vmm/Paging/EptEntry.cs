using Dma.Machine;

namespace Dma.Vmm;

/// <summary>An entry of the processor's second-level paging structures, all levels (Intel 64 manual, volume 3, EPT entries).</summary>
/// <param name="Raw">The 64 bits.</param>
public readonly record struct EptEntry(Bits64 Raw)
{
    /// <summary>Bits of a present entry that must be zero when it references a table at level 4.</summary>
    public const ulong ReservedAtLevel4 = 0xF8;

    /// <summary>Bits of a present entry that must be zero when it references a table at level 3 or 2.</summary>
    public const ulong ReservedInTableReference = 0x78;

    /// <summary>An entry from its bits.</summary>
    public EptEntry(ulong raw)
        : this(new Bits64(raw))
    {
    }

    /// <summary>Bits 2:0: what is allowed through this entry; all zero means not present.</summary>
    public EptRights Rights
    {
        get => (EptRights)Raw.Bits(2, 0);
        init => Raw = Raw.With(2, 0, (ulong)value);
    }

    /// <summary>Bits 5:3, of an entry that maps a page.</summary>
    public EptMemoryType MemoryType => (EptMemoryType)Raw.Bits(5, 3);

    /// <summary>Bit 6, of an entry that maps a page: the guest's own memory type is ignored.</summary>
    public bool IgnoresGuestType => Raw.Bit(6);

    /// <summary>Bit 7: at levels 3 and 2 the entry maps a page instead of referencing a table.</summary>
    public bool MapsPage => Raw.Bit(7);

    /// <summary>Bit 8, where the pointer enables it.</summary>
    public bool Accessed
    {
        get => Raw.Bit(8);
        init => Raw = Raw.With(8, value);
    }

    /// <summary>Bit 9, of an entry that maps a page, where the pointer enables it.</summary>
    public bool Dirty
    {
        get => Raw.Bit(9);
        init => Raw = Raw.With(9, value);
    }

    /// <summary>Bits 51:12: the page or the table; a larger page uses only the high ones.</summary>
    public PhysicalAddress Address
    {
        get => new(Raw.Bits(51, 12) << 12);
        init => Raw = Raw.With(51, 12, value.Page);
    }

    /// <summary>Whether anything is allowed: an entry without rights is not present, and its other bits are software's.</summary>
    public bool IsPresent => Rights != EptRights.None;

    /// <summary>An entry that references a table and allows everything that the table allows.</summary>
    public static EptEntry Table(PhysicalAddress table) =>
        new(new Bits64(0).With(2, 0, (ulong)EptRights.All).With(51, 12, table.Page));

    /// <summary>An entry that maps a page.</summary>
    /// <param name="page">The first byte; aligned to the size.</param>
    /// <param name="size">At which level it will stand.</param>
    /// <param name="rights">What is allowed.</param>
    /// <param name="type">How it is cached.</param>
    public static EptEntry Page(PhysicalAddress page, FrameSize size, EptRights rights, EptMemoryType type) =>
        new(new Bits64(0).With(2, 0, (ulong)rights).With(5, 3, (ulong)type).With(7, size != FrameSize.Page4K).With(51, 12, page.Page));
}
