namespace Dma.Machine;

/// <summary>How the translation cache of a device is built.</summary>
public sealed record DeviceTlbOptions
{
    /// <summary>Sets, 1 or more.</summary>
    public int Sets { get; init; } = 64;

    /// <summary>Ways, 1 or more.</summary>
    public int Ways { get; init; } = 4;

    /// <summary>Which way of a full set is given up.</summary>
    public Replacement Replacement { get; init; }

    /// <summary>How many transfers can be under way at a time, each with a translation of its own; 1 or more.</summary>
    public int TransfersMax { get; init; } = 32;
}
