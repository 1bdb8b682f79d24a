namespace Dma.Machine;

/// <summary>What software says to a group of page requests (PCI Express, page request interface).</summary>
/// <param name="Group">Which group: 0 to 511, as the device numbered it.</param>
/// <param name="Pasid">Whose pages; null for requests without PASID.</param>
/// <param name="Code">What became of the requests.</param>
public readonly record struct PageGroupResponse(int Group, Pasid? Pasid, PageResponseCode Code);
