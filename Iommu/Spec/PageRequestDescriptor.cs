using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>A page that a device asks for, as the unit puts it into the queue (VT-d, page request descriptor).</summary>
/// <param name="Raw">All 256 bits; bits 15:9, 63:54, 255:128 are reserved.</param>
public readonly record struct PageRequestDescriptor(Bits256 Raw)
{
    /// <summary>The one type that there is.</summary>
    public const int PageRequestType = 1;

    /// <summary>Bits 7:0, Type: 1.</summary>
    public int Type
    {
        get => (int)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (ulong)value);
    }

    /// <summary>Bit 8, PP: the request has a PASID.</summary>
    public bool PasidPresent
    {
        get => Raw.Bit(8);
        init => Raw = Raw.With(8, value);
    }

    /// <summary>Bits 31:16, RID: who asks.</summary>
    public SourceId Requester
    {
        get => new((ushort)Raw.Bits(31, 16));
        init => Raw = Raw.With(31, 16, value.Value);
    }

    /// <summary>Bits 51:32, PASID: whose page, with PP.</summary>
    public Pasid Pasid
    {
        get => new((uint)Raw.Bits(51, 32));
        init => Raw = Raw.With(51, 32, value.Value);
    }

    /// <summary>Bit 52, EXR: the right to execute is asked for, with PP.</summary>
    public bool Execute
    {
        get => Raw.Bit(52);
        init => Raw = Raw.With(52, value);
    }

    /// <summary>Bit 53, PMR: the rights asked for are those of supervisor requests, with PP.</summary>
    public bool Privileged
    {
        get => Raw.Bit(53);
        init => Raw = Raw.With(53, value);
    }

    /// <summary>Bit 64, RDR: the right to read is asked for.</summary>
    public bool Read
    {
        get => Raw.Bit(64);
        init => Raw = Raw.With(64, value);
    }

    /// <summary>Bit 65, WRR: the right to write is asked for.</summary>
    public bool Write
    {
        get => Raw.Bit(65);
        init => Raw = Raw.With(65, value);
    }

    /// <summary>Bit 66, LPIG: the group ends with it and is to be answered; one that asks for no right marks the end of a PASID's requests.</summary>
    public bool LastInGroup
    {
        get => Raw.Bit(66);
        init => Raw = Raw.With(66, value);
    }

    /// <summary>Bits 75:67, PRGI: which group.</summary>
    public int Group
    {
        get => (int)Raw.Bits(75, 67);
        init => Raw = Raw.With(75, 67, (ulong)value);
    }

    /// <summary>Bits 127:76, ADDR: the page.</summary>
    public Iova Address
    {
        get => new(Raw.Bits(127, 76) << 12);
        init => Raw = Raw.With(127, 76, Aligned.Shift(value.Value, 12));
    }
}
