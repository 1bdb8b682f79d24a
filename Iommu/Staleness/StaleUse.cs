using Dma.Machine;

namespace Dma.Iommu;

/// <summary>A request was answered from a cache that held what tables no longer say: an invalidation is missing.</summary>
/// <param name="Source">The requester.</param>
/// <param name="Pasid">The PASID that the request carried; null where it carried none.</param>
/// <param name="Address">The address that it put on the bus.</param>
/// <param name="Write">Whether it wanted to write.</param>
/// <param name="Cache">The cache that answered.</param>
/// <param name="Age">How many requests the unit was asked since the write, this one included.</param>
/// <param name="Change">The first write since which the answer is not what tables say.</param>
/// <param name="Owed">What software should have invalidated after it and did not, in the order in which it must be done.</param>
/// <param name="ByQueue">Whether the unit takes descriptors; else it takes commands by register.</param>
public sealed record StaleUse(
    SourceId Source,
    Pasid? Pasid,
    Iova Address,
    bool Write,
    CacheKind Cache,
    ulong Age,
    TableWrite Change,
    IReadOnlyList<OwedInvalidation> Owed,
    bool ByQueue)
{
    /// <inheritdoc/>
    public override string ToString()
    {
        string cache = Cache switch
        {
            CacheKind.Context => "context cache",
            CacheKind.Pasid => "PASID cache",
            CacheKind.PagingStructures => "paging-structure cache",
            _ => "IOTLB",
        };
        string pasid = Pasid is { } carried ? $" with PASID {carried}" : string.Empty;
        List<string> lines =
        [
            $"{Source}{pasid} {(Write ? "writes" : "reads")} {Address.Value:X}h: the {cache} answers what tables no longer say",
            $"  since {Change}, {Age} {(Age == 1 ? "request" : "requests")} ago",
        ];
        foreach (OwedInvalidation owed in Owed)
        {
            lines.Add($"  missing: {owed}");
            lines.Add($"           {(ByQueue ? $"descriptor {owed.Descriptor}" : owed.ByRegister)}");
        }

        return string.Join('\n', lines);
    }
}
