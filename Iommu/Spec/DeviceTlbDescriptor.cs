using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>Invalidates what a device has cached for requests without PASID (VT-d, device-TLB invalidate descriptor).</summary>
/// <param name="Raw">All 128 bits.</param>
public readonly record struct DeviceTlbDescriptor(Bits128 Raw)
{
    /// <summary>Bits 3:0, Type: 3.</summary>
    public InvalidationDescriptorType Type
    {
        get => (InvalidationDescriptorType)Raw.Bits(3, 0);
        init => Raw = Raw.With(3, 0, (ulong)value);
    }

    /// <summary>Bits 15:12 and 63:52, PFSID: the physical function by which invalidations of the device are counted.</summary>
    public SourceId PhysicalFunction
    {
        get => new((ushort)(Raw.Bits(15, 12) | (Raw.Bits(63, 52) << 4)));
        init => Raw = Raw.With(15, 12, value.Value & 0xFu).With(63, 52, (ulong)value.Value >> 4);
    }

    /// <summary>Bits 20:16, MIP: how many invalidations the device takes at a time.</summary>
    public int MaximumPending
    {
        get => (int)Raw.Bits(20, 16);
        init => Raw = Raw.With(20, 16, (ulong)value);
    }

    /// <summary>Bits 47:32, SID: the device.</summary>
    public SourceId Source
    {
        get => new((ushort)Raw.Bits(47, 32));
        init => Raw = Raw.With(47, 32, value.Value);
    }

    /// <summary>Bit 64, S: the low bits of the address say how many pages; else it is one.</summary>
    public bool Size
    {
        get => Raw.Bit(64);
        init => Raw = Raw.With(64, value);
    }

    /// <summary>Bits 127:76, ADDR: the first page; with S, the lowest zero and the ones below it are the size.</summary>
    public Iova Address
    {
        get => new(Raw.Bits(127, 76) << 12);
        init => Raw = Raw.With(127, 76, Aligned.Shift(value.Value, 12));
    }
}
