namespace Dma.Machine;

/// <summary>Which way of a full cache set makes room.</summary>
public enum Replacement
{
    /// <summary>Each way in its turn.</summary>
    RoundRobin = 0,

    /// <summary>Any way, by a generator with a fixed seed.</summary>
    Random,
}
