using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>Answers a group of page requests of a device (VT-d, page group response descriptor).</summary>
/// <param name="Raw">Bits 127:0; bits 255:128 are reserved.</param>
public readonly record struct PageGroupResponseDescriptor(Bits128 Raw)
{
    /// <summary>Bits 3:0, Type: 9.</summary>
    public InvalidationDescriptorType Type
    {
        get => (InvalidationDescriptorType)Raw.Bits(3, 0);
        init => Raw = Raw.With(3, 0, (ulong)value);
    }

    /// <summary>Bit 4, PP: the requests had a PASID.</summary>
    public bool PasidPresent
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bits 15:12, RC: what became of the requests.</summary>
    public PageResponseCode Code
    {
        get => (PageResponseCode)Raw.Bits(15, 12);
        init => Raw = Raw.With(15, 12, (ulong)value);
    }

    /// <summary>Bits 31:16, RID: the device.</summary>
    public SourceId Requester
    {
        get => new((ushort)Raw.Bits(31, 16));
        init => Raw = Raw.With(31, 16, value.Value);
    }

    /// <summary>Bits 51:32, PASID: whose pages, with PP.</summary>
    public Pasid Pasid
    {
        get => new((uint)Raw.Bits(51, 32));
        init => Raw = Raw.With(51, 32, value.Value);
    }

    /// <summary>Bit 66, LPIG: the last request of a group is answered; ignored.</summary>
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
}
