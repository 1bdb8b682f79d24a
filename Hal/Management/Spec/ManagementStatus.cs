using Dma.Machine;

namespace Dma.Hal.Spec;

/// <summary>What happened, 32 bits (management device, register 0Ch); register 28h says with the same bits what interrupts.</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct ManagementStatus(Bits32 Raw)
{
    /// <summary>Bit 0: a management core serves the device; read only.</summary>
    public bool CoreReady
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1: a slot could not be read or its completion not written; it is no longer under way. A written one clears it.</summary>
    public bool TableFault
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 2: a slot finished. A written one clears it.</summary>
    public bool SlotFinished
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3: another core serves the device, which knows nothing of the one before. A written one clears it.</summary>
    public bool CoreLost
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }
}
