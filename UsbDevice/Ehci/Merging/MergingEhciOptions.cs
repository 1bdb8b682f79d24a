namespace Dma.UsbDevice;

/// <summary>How an EHCI controller is built that has a merge engine before it.</summary>
public sealed record MergingEhciOptions
{
    /// <summary>VMs whose schedules the engine can merge, 1 to 64.</summary>
    public int SlotCount { get; init; } = 8;

    /// <summary>The controller itself, an ordinary one; it addresses 64 bits.</summary>
    public EhciOptions Controller { get; init; } = new();

    /// <summary>How device addresses are replaced in what the controller fetches.</summary>
    public AddressOptions Addresses { get; init; } = new();

    /// <summary>Whether a doorbell of a VM is answered after the engine let go of what was unlinked; without, at once.</summary>
    public bool AnswersLate { get; init; } = true;

    /// <summary>Whether all VMs are served under the requester id of the first, as an engine would that has one PCI function: no IOMMU can tell them apart.</summary>
    public bool SharesRequester { get; init; }

    /// <summary>Whether the engine hides the heads of the rings of VMs, so that its own is the only one; without, the controller finds several.</summary>
    public bool HidesHeads { get; init; } = true;

    /// <summary>Whether a frame list of fewer elements than 1024 comes again and again; without, what lies in memory behind it is taken for more of it.</summary>
    public bool RepeatsFrames { get; init; } = true;
}
