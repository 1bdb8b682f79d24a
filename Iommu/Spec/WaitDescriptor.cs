using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>Waits for the descriptors before it, then tells software (VT-d, invalidation wait descriptor).</summary>
/// <param name="Raw">All 128 bits.</param>
public readonly record struct WaitDescriptor(Bits128 Raw)
{
    /// <summary>Bits 3:0, Type: 5.</summary>
    public InvalidationDescriptorType Type
    {
        get => (InvalidationDescriptorType)Raw.Bits(3, 0);
        init => Raw = Raw.With(3, 0, (ulong)value);
    }

    /// <summary>Bit 4, IF: raise the invalidation completion event.</summary>
    public bool Interrupt
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bit 5, SW: write the status data.</summary>
    public bool StatusWrite
    {
        get => Raw.Bit(5);
        init => Raw = Raw.With(5, value);
    }

    /// <summary>Bit 6, FN: later descriptors start only after this one.</summary>
    public bool Fence
    {
        get => Raw.Bit(6);
        init => Raw = Raw.With(6, value);
    }

    /// <summary>Bit 7, PD: page requests that came before are in the queue first; reserved where ECAP.PDS is clear.</summary>
    public bool PageRequestDrain
    {
        get => Raw.Bit(7);
        init => Raw = Raw.With(7, value);
    }

    /// <summary>Bits 63:32, STDATA: the doubleword to write.</summary>
    public uint StatusData
    {
        get => (uint)Raw.Bits(63, 32);
        init => Raw = Raw.With(63, 32, value);
    }

    /// <summary>Bits 127:66, STADDR: where to write it.</summary>
    public PhysicalAddress StatusAddress
    {
        get => new(Raw.Bits(127, 66) << 2);
        init => Raw = Raw.With(127, 66, Aligned.Shift(value.Value, 2));
    }
}
