using Dma.Machine;

namespace Dma.Hal.Spec;

/// <summary>What a management device can do, 32 bits (management device, register 04h).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct ManagementFeatures(Bits32 Raw)
{
    /// <summary>Bits 3:0, the modes that can be turned on.</summary>
    public ManagementModes Modes
    {
        get => (ManagementModes)Raw.Bits(3, 0);
        init => Raw = Raw.With(3, 0, (uint)value);
    }

    /// <summary>Bits 12:8, how many slots there are, less one.</summary>
    public int LastSlot
    {
        get => (int)Raw.Bits(12, 8);
        init => Raw = Raw.With(12, 8, (uint)value);
    }

    /// <summary>Bits 20:16, the most bytes of one input or output as a power of two.</summary>
    public int TransferShift
    {
        get => (int)Raw.Bits(20, 16);
        init => Raw = Raw.With(20, 16, (uint)value);
    }
}
