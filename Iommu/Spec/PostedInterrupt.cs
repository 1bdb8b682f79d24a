using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>Interrupt remapping table entry with IM = 1: where the interrupt is posted (VT-d, posted format).</summary>
/// <remarks>Bits 7:2, 13:12, 37:24 and 95:84 are reserved.</remarks>
/// <param name="Raw">All 128 bits.</param>
public readonly record struct PostedInterrupt(Bits128 Raw)
{
    /// <summary>What both formats share; its vector is one of the virtual processor.</summary>
    public InterruptRemappingEntry Common
    {
        get => new(Raw);
        init => Raw = value.Raw;
    }

    /// <summary>Bits 11:8, AVAIL: for software.</summary>
    public int Available
    {
        get => (int)Raw.Bits(11, 8);
        init => Raw = Raw.With(11, 8, (ulong)value);
    }

    /// <summary>Bit 14, URG: notify even while notifications are suppressed.</summary>
    public bool Urgent
    {
        get => Raw.Bit(14);
        init => Raw = Raw.With(14, value);
    }

    /// <summary>Bits 127:96 and 63:38, PDA: the <see cref="PostedInterruptDescriptor"/>.</summary>
    public PhysicalAddress Descriptor
    {
        get => new((Raw.Bits(127, 96) << 32) | (Raw.Bits(63, 38) << 6));
        init => Raw = Raw.With(127, 96, value.Value >> 32).With(63, 38, Aligned.Shift((uint)value.Value, 6));
    }
}
