using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>Interrupt remapping table entry with IM = 0: what the interrupt becomes (VT-d, remapped format).</summary>
/// <remarks>Bits 14:12, 31:24 and 127:84 are reserved; 63:48 and 39:32 too while EIME is clear.</remarks>
/// <param name="Raw">All 128 bits.</param>
public readonly record struct RemappedInterrupt(Bits128 Raw)
{
    /// <summary>What both formats share.</summary>
    public InterruptRemappingEntry Common
    {
        get => new(Raw);
        init => Raw = value.Raw;
    }

    /// <summary>Bit 2, DM: the destination is logical.</summary>
    public bool LogicalDestination
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3, RH: redirection hint.</summary>
    public bool RedirectionHint
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 4, TM: level-triggered.</summary>
    public bool LevelTriggered
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bits 7:5, DLM: how the processor takes it.</summary>
    public InterruptDeliveryMode DeliveryMode
    {
        get => (InterruptDeliveryMode)Raw.Bits(7, 5);
        init => Raw = Raw.With(7, 5, (ulong)value);
    }

    /// <summary>Bits 11:8, AVAIL: for software.</summary>
    public int Available
    {
        get => (int)Raw.Bits(11, 8);
        init => Raw = Raw.With(11, 8, (ulong)value);
    }

    /// <summary>Bits 63:32, DST: an x2APIC id, or an xAPIC id in bits 47:40 and zeros around it.</summary>
    public uint Destination
    {
        get => (uint)Raw.Bits(63, 32);
        init => Raw = Raw.With(63, 32, value);
    }
}
