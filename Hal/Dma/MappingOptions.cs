namespace Dma.Hal;

/// <summary>A policy and its bounds.</summary>
public sealed record MappingOptions
{
    /// <summary>The strict policy.</summary>
    public static MappingOptions Strict { get; } = new();

    /// <summary>When devices get and lose memory.</summary>
    public MappingPolicy Policy { get; init; }

    /// <summary>
    /// How many stretches may wait after their unmap, to be invalidated (<see cref="MappingPolicy.Deferred"/>) or used again
    /// (<see cref="MappingPolicy.Optimistic"/>); at least 1. The default is what Linux has (from memory).
    /// </summary>
    public int WaitingMax
    {
        get;
        init => field = value >= 1 ? value : throw new ArgumentOutOfRangeException(nameof(value), "At least one stretch waits.");
    }

        = 250;

    /// <summary>How long a stretch may wait, in nanoseconds of virtual time; at least 1. The default is what Linux has (from memory).</summary>
    public ulong WaitingNsMax
    {
        get;
        init => field = value >= 1 ? value : throw new ArgumentOutOfRangeException(nameof(value), "Waiting takes time.");
    }

        = 10_000_000;

    /// <summary>Bytes of the pool of <see cref="MappingPolicy.Bounce"/>, a multiple of 4096: as much can be under way at a time.</summary>
    public int PoolBytes
    {
        get;
        init => field = value >= FrameAllocator.FrameSize && value % FrameAllocator.FrameSize == 0
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), "A pool is whole 4 KiB pages.");
    }

        = 1 << 20;
}
