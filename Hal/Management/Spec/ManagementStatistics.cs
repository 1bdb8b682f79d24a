using Dma.Machine;

namespace Dma.Hal.Spec;

/// <summary>What is known of a participant, 512 bits (management device, output of the command 11h).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct ManagementStatistics(Bits512 Raw)
{
    /// <summary>Bytes of a row.</summary>
    public const int Size = 64;

    /// <summary>Bits 63:0, exits.</summary>
    public ulong Exits
    {
        get => Raw.Bits(63, 0);
        init => Raw = Raw.With(63, 0, value);
    }

    /// <summary>Bits 127:64, hypercalls.</summary>
    public ulong Hypercalls
    {
        get => Raw.Bits(127, 64);
        init => Raw = Raw.With(127, 64, value);
    }

    /// <summary>Bits 191:128, nanoseconds that its processor ran.</summary>
    public ulong RunTimeNs
    {
        get => Raw.Bits(191, 128);
        init => Raw = Raw.With(191, 128, value);
    }

    /// <summary>Bits 255:192, how long ago these three were gathered, in nanoseconds.</summary>
    public ulong MeasuredAgeNs
    {
        get => Raw.Bits(255, 192);
        init => Raw = Raw.With(255, 192, value);
    }

    /// <summary>Bits 319:256, the work that it reported, in nanoseconds.</summary>
    public ulong WorkNs
    {
        get => Raw.Bits(319, 256);
        init => Raw = Raw.With(319, 256, value);
    }

    /// <summary>Bits 351:320, the memory that it reported, in pages.</summary>
    public uint Pages
    {
        get => (uint)Raw.Bits(351, 320);
        init => Raw = Raw.With(351, 320, value);
    }

    /// <summary>Bits 383:352, whose row it is.</summary>
    public uint Participant
    {
        get => (uint)Raw.Bits(383, 352);
        init => Raw = Raw.With(383, 352, value);
    }

    /// <summary>Bits 447:384, how long ago it reported, in nanoseconds; all ones for never.</summary>
    public ulong ReportedAgeNs
    {
        get => Raw.Bits(447, 384);
        init => Raw = Raw.With(447, 384, value);
    }

    /// <summary>Bits 511:448, requests that the core did for it.</summary>
    public ulong Requests
    {
        get => Raw.Bits(511, 448);
        init => Raw = Raw.With(511, 448, value);
    }
}
