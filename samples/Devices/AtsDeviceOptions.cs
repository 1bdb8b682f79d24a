using Dma.Machine;

namespace Dma.Devices;

/// <summary>How an <see cref="AtsDevice"/> is built.</summary>
public sealed record AtsDeviceOptions
{
    /// <summary>How it answers invalidations, until software chooses otherwise.</summary>
    public AtsAnswer Answer { get; init; }

    /// <summary>How long a late answer takes, in nanoseconds, until software chooses otherwise.</summary>
    public uint DelayNs { get; init; } = 10_000;

    /// <summary>How many invalidations it takes at a time, 1 to 32.</summary>
    public int QueueDepth { get; init; } = AtsCapability.QueueDepthMax;

    /// <summary>Its translation cache.</summary>
    public DeviceTlbOptions Tlb { get; init; } = new();

    /// <summary>What it is in the hierarchy: behind a port, or inside the root complex.</summary>
    public PciExpressType Type { get; init; } = PciExpressType.Endpoint;
}
