namespace Dma.Devices;

/// <summary>How an <see cref="EduDevice"/> is built.</summary>
public sealed record EduOptions
{
    /// <summary>The bits of an address that its DMA can carry; others are dropped. 28 by default, that is 256 MiB.</summary>
    public ulong DmaMask { get; init; } = (1ul << 28) - 1;

    /// <summary>How long a transfer takes, whatever its length, in nanoseconds.</summary>
    public ulong TransferNs { get; init; } = 100_000_000;
}
