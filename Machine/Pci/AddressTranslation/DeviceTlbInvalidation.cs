namespace Dma.Machine;

/// <summary>What a device shall forget (PCI Express, ATS, invalidate request).</summary>
/// <param name="Address">The first address.</param>
/// <param name="Shift">2^shift bytes: 12 for a page, 64 for the whole address space.</param>
/// <param name="Pasid">Whose translations; null for those of requests without PASID.</param>
/// <param name="AllPasids">Those of all PASIDs of the device, whichever is named.</param>
/// <param name="PhysicalFunction">The function by which invalidations of the device are counted.</param>
/// <param name="MaximumPending">How many invalidations software believes the device to take at a time: MIP.</param>
public readonly record struct DeviceTlbInvalidation(
    Iova Address, int Shift, Pasid? Pasid, bool AllPasids, SourceId PhysicalFunction, int MaximumPending)
{
    /// <summary>How many tags there are.</summary>
    public const int Tags = 32;

    /// <summary>Which invalidation it is among those that are outstanding at the device: 0 to 31 (ITag).</summary>
    public int Tag { get; init; }

    /// <summary>Whether the device may keep what it has cached for an address.</summary>
    public bool Spares(Iova address) => Shift < 64 && (address.Value ^ Address.Value) >> Shift != 0;
}
