using Dma.Hal.Spec;

namespace Dma.Vmm;

/// <summary>What the host lets a VM do by its management device.</summary>
public sealed record ManagementGrant
{
    /// <summary>How many requests may come at once after a time of rest.</summary>
    public const int Burst = 64;

    /// <summary>The modes that it may turn on.</summary>
    public ManagementModes Modes { get; init; } = ManagementModes.All;

    /// <summary>The folder that it reaches; null for none.</summary>
    public IGrantedFolder? Folder { get; init; }

    /// <summary>By how many bytes the folder may grow on its behalf.</summary>
    public ulong QuotaBytes { get; init; } = 64 << 20;

    /// <summary>Whether it may ask for the statistics of others.</summary>
    public bool SeesOthers { get; init; }

    /// <summary>How many requests the core does for it in a millisecond, on average; at least 1.</summary>
    public int RequestsPerMillisecond { get; init; } = 1_000;
}
