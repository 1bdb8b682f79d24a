using Dma.Iommu.Spec;

namespace Dma.Hal;

/// <summary>A requester that is attached.</summary>
/// <param name="domainId">What tags its translations.</param>
/// <param name="domain">What it reaches; null for all memory.</param>
/// <param name="control">How it translates for itself; null where it does not.</param>
internal sealed class Attachment(DomainId domainId, RemappingDomain? domain, DeviceTlbControl? control)
{
    public DomainId DomainId => domainId;

    public RemappingDomain? Domain => domain;

    public DeviceTlbControl? Control => control;

    /// <summary>Whether it lost everything since it did not answer an invalidation in time.</summary>
    public bool IsQuarantined { get; set; }
}
