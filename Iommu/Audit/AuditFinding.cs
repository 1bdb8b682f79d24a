using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Something about the tables that isolation suffers from, or may suffer from.</summary>
/// <param name="Kind">What.</param>
/// <param name="Range">The frames that it is about; empty where it is about an entry.</param>
/// <param name="Domains">The domains that it is about.</param>
/// <param name="Address">In the last of the domains: the address that reaches the first of the frames.</param>
/// <param name="Structure">Of a table that a device reaches: what lies there.</param>
/// <param name="Source">The requester, where it is about one alone.</param>
/// <param name="Pasid">Its PASID, the lowest where there are several.</param>
/// <param name="Index">The domain-id or the index of the interrupt entry that it is about.</param>
public sealed record AuditFinding(
    AuditFindingKind Kind,
    AuditedRange Range,
    IReadOnlyList<AuditedDomain> Domains,
    Iova Address = default,
    AuditStructure? Structure = null,
    SourceId? Source = null,
    uint? Pasid = null,
    int? Index = null)
{
    /// <summary>Whether it breaks isolation by itself.</summary>
    public bool IsViolation => Kind is AuditFindingKind.TableWritable or AuditFindingKind.FrameSharedWritable
        or AuditFindingKind.PassThrough or AuditFindingKind.DomainIdOfTwoDomains;
}
