using Dma.Machine;

namespace Dma.Hal.Spec;

/// <summary>What a guest says that it needs, 128 bits (management device, input of the command 10h).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct ManagementDemand(Bits128 Raw)
{
    /// <summary>Bytes of a report.</summary>
    public const int Size = 16;

    /// <summary>Bits 63:0, work that waits for a processor, in nanoseconds.</summary>
    public ulong WorkNs
    {
        get => Raw.Bits(63, 0);
        init => Raw = Raw.With(63, 0, value);
    }

    /// <summary>Bits 95:64, memory that it would use, in pages of 4 KiB.</summary>
    public uint Pages
    {
        get => (uint)Raw.Bits(95, 64);
        init => Raw = Raw.With(95, 64, value);
    }
}
