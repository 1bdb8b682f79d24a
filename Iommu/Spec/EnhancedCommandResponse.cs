using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>ECRSP: what became of an enhanced command (VT-d, enhanced command response register).</summary>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct EnhancedCommandResponse(Bits64 Raw)
{
    /// <summary>Bit 0, IP: a command is being carried out.</summary>
    public bool InProgress
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bits 7:1: 0 where it was done; no other value is known to mean anything in particular.</summary>
    public int Status
    {
        get => (int)Raw.Bits(7, 1);
        init => Raw = Raw.With(7, 1, (ulong)value);
    }
}
