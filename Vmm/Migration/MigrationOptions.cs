using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What decides how a VM moves to another computer.</summary>
public sealed record MigrationOptions
{
    /// <summary>The VM is stopped as soon as what is left takes no longer than this, in nanoseconds of virtual time.</summary>
    public ulong DowntimeGoalNs { get; init; } = 300_000_000;

    /// <summary>After the last round, too, it is stopped only where what is left takes no longer than this, in nanoseconds.</summary>
    public ulong DowntimeMaxNs { get; init; } = 1_000_000_000;

    /// <summary>How many rounds of copying there are at the most before its devices go, and again after; at least 1.</summary>
    public int RoundsMax { get; init; } = 30;

    /// <summary>For each device of the VM, by its place in the computer that it leaves: the place of one of the same kind in the other.</summary>
    public IReadOnlyDictionary<SourceId, SourceId> Devices { get; init; } = new Dictionary<SourceId, SourceId>();

    /// <summary>How long the guest may take to let its devices go, and then to pause, each in nanoseconds.</summary>
    public ulong GuestTimeoutNs { get; init; } = 1_000_000_000;

    /// <summary>Whether a device that the guest does not let go is taken from it.</summary>
    public bool ForcesDevices { get; init; }
}
