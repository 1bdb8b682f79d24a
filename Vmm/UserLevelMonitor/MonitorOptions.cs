namespace Dma.Vmm;

/// <summary>What decides how a user-level monitor works.</summary>
public sealed record MonitorOptions
{
    /// <summary>How it gets at the memory of its VM.</summary>
    public MonitorAccess Access { get; init; }

    /// <summary>
    /// How many pages its window has, from 1 on; null for as many as the VM has addresses. A process of 32 bits has no room
    /// for a large guest: its window is a cache of places that pages are mapped into in turn.
    /// </summary>
    public int? WindowPages { get; init; }

    /// <summary>
    /// Whether bulk data of EHCI controllers in it goes straight between devices and pages of the VM, where these can be pinned; else it is copied, to a
    /// buffer of the model and from there. That takes no copy, and a mapping for each descriptor of a transfer.
    /// </summary>
    public bool IsZeroCopy { get; init; }

    /// <summary>What happens when a page loses its frame.</summary>
    public ShootDown ShootDown { get; init; }
}
