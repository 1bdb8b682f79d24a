namespace Dma.Hal;

/// <summary>What the one who starts a remapping unit decides.</summary>
/// <param name="FaultVector">The vector of this processor that fault events raise, 16 to 255.</param>
public sealed record RemappingOptions(byte FaultVector)
{
    /// <summary>Bytes in the register window, as firmware reports them.</summary>
    public ulong WindowLength { get; init; } = 4096;

    /// <summary>Whether to invalidate through the queue where the unit has one, rather than through registers.</summary>
    public bool UseQueue { get; init; } = true;

    /// <summary>
    /// How many interrupts of devices can be told apart, a power of two up to 65,536; 0 to let interrupts pass as they are.
    /// Without effect on a unit that does not remap interrupts, or has no queue in use.
    /// </summary>
    public int InterruptEntries { get; init; }

    /// <summary>The host address width, 12 to 52 bits, as firmware reports it; no table points beyond.</summary>
    public int HostAddressWidth { get; init; } = 52;

    /// <summary>How long the unit may take for one command or invalidation, in nanoseconds, before it counts as broken.</summary>
    public ulong TimeoutNs { get; init; } = 100_000_000;

    /// <summary>
    /// How long the unit may take for an invalidation that devices have to complete, in nanoseconds, before it counts as
    /// broken; it should find out by itself before, after the minute that PCI Express gives a device.
    /// </summary>
    public ulong DeviceTlbTimeoutNs { get; init; } = 90_000_000_000;
}
