using Dma.Machine;

namespace Dma.Hal.Spec;

/// <summary>What a guest lets somebody else reach of its memory: one page (Xen, grant table version 1).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct GrantEntry(Bits64 Raw)
{
    /// <summary>Bytes in an entry.</summary>
    public const int Size = 8;

    /// <summary>Bits 1:0, what is granted.</summary>
    public GrantType Type
    {
        get => (GrantType)Raw.Bits(1, 0);
        init => Raw = Raw.With(1, 0, (ulong)value);
    }

    /// <summary>Bit 2, GTF_readonly: the other side may not write.</summary>
    public bool IsReadOnly
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3, GTF_reading: the other side uses the page. The VMM sets and clears it.</summary>
    public bool IsRead
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 4, GTF_writing: the other side uses the page and may write it. The VMM sets and clears it.</summary>
    public bool IsWritten
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bits 31:16, domid: to whom. 0 is the host.</summary>
    public ushort Domain
    {
        get => (ushort)Raw.Bits(31, 16);
        init => Raw = Raw.With(31, 16, value);
    }

    /// <summary>Bits 63:32, frame: the guest-physical page.</summary>
    public uint Frame
    {
        get => (uint)Raw.Bits(63, 32);
        init => Raw = Raw.With(63, 32, value);
    }
}
