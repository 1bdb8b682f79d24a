namespace Dma.Vmm;

/// <summary>How a <see cref="FairGate"/> decides.</summary>
public sealed record FairGateOptions
{
    /// <summary>Whose transfer is next.</summary>
    public TransferOrder Order { get; init; }

    /// <summary>How many transfers are under way at a time, at least 1.</summary>
    public int Slots { get; init; } = 2;

    /// <summary>How many bytes a turn adds, at least 1.</summary>
    public int QuantumBytes { get; init; } = 16 * 1024;

    /// <summary>How long a transfer has its place at most, in nanoseconds.</summary>
    public ulong HoldNsMax { get; init; } = 20_000_000;
}
