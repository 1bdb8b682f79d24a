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

    /// <summary>
    /// Whether the unit shall run in scalable mode, so that processes can share their address spaces with devices. It needs a
    /// unit with ECAP.SMTS, ECAP.SSTS or ECAP.FSTS, and a queue.
    /// </summary>
    public bool Scalable { get; init; }

    /// <summary>In scalable mode, how many bits a PASID may have, 13 to 20; each requester has a directory of 2^(bits - 3) bytes.</summary>
    public int PasidBits { get; init; } = 15;

    /// <summary>
    /// The vector of this processor that page requests raise, 16 to 255; 0 to let no device ask for pages. Without effect but
    /// in scalable mode on a unit that takes page requests.
    /// </summary>
    public byte PageRequestVector { get; init; }

    /// <summary>How many pages the page request queue has, a power of two up to 128; 128 requests fit on each, less one.</summary>
    public int PageRequestQueuePages { get; init; } = 1;

    /// <summary>The host address width, 12 to 52 bits, as firmware reports it; no table points beyond.</summary>
    public int HostAddressWidth { get; init; } = 52;

    /// <summary>How long the unit may take for one command or invalidation, in nanoseconds, before it counts as broken.</summary>
    public ulong TimeoutNs { get; init; } = 100_000_000;

    /// <summary>
    /// How long the unit may take for an invalidation that devices have to complete, in nanoseconds, before it counts as
    /// broken; it should find out by itself before, after the minute that PCI Express gives a device.
    /// </summary>
    public ulong DeviceTlbTimeoutNs { get; init; } = 90_000_000_000;

    /// <summary>Sees whether numbers are what they can be.</summary>
    /// <exception cref="ArgumentException">One of them is not.</exception>
    internal void Check()
    {
        if (InterruptEntries is not 0 and (< 2 or > InterruptRemapping.EntriesMax) || (InterruptEntries & (InterruptEntries - 1)) != 0)
            throw new ArgumentException("A table has a power of two of interrupt entries, 2 to 65,536.");
        if (PasidBits is < 13 or > 20)
            throw new ArgumentException("A PASID has 13 to 20 bits.");
        if (PageRequestQueuePages is < 1 or > PageRequestHandler.QueuePagesMax || !int.IsPow2(PageRequestQueuePages))
            throw new ArgumentException("A page request queue has a power of two of pages, up to 128.");
    }
}
