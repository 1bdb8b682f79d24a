namespace Dma.Vmm;

/// <summary>What the VMM does for a service VM.</summary>
public sealed record ServiceVmOptions
{
    /// <summary>How requests come to it.</summary>
    public ServiceTransport Transport { get; init; }

    /// <summary>How much later than it was woken it runs, at most, in nanoseconds: chance decides each time. 0 for at once.</summary>
    public ulong JitterNsMax { get; init; }

    /// <summary>Whether it and the VMs that it serves take turns on one processor.</summary>
    public bool SharesProcessor { get; init; } = true;

    /// <summary>What the VMM does when a page loses its frame that it shows the service VM. Anything but <see cref="ShootDown.Flushed"/> is for experiments.</summary>
    public ShootDown ShootDown { get; init; }

    /// <summary>What the VMM believes of the grants of a VM that it serves; null for the VM's table. Anything else is for experiments.</summary>
    public Func<VirtualMachine, IGrants>? Grants { get; init; }
}
