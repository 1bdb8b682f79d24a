using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>What software has to invalidate after it changed an entry (VT-d, guidance to software for invalidations).</summary>
/// <param name="change">The write.</param>
/// <param name="answer">What is stale.</param>
/// <param name="source">The requester that uses it.</param>
/// <param name="address">The address that it uses.</param>
/// <param name="profile">The unit.</param>
internal readonly struct OwedInvalidations(TableWrite change, CachedAnswer answer, SourceId source, ulong address, HardwareProfile profile)
{
    /// <summary>What root and context entries say; empty where the change does not concern it.</summary>
    public IReadOnlyList<OwedInvalidation> OfContexts() => change.Structure switch
    {
        // What was not there is tagged with domain 0 where it is cached at all; contexts of scalable mode have no domain.
        WalkStructure.Context or WalkStructure.ScalableContext =>
            [OwedInvalidation.OfContext(ContextGranularity.Device, answer.Cache == CacheKind.Context ? answer.Domain ?? default : DomainOfContext(), source)],
        WalkStructure.Root or WalkStructure.ScalableRoot or WalkStructure.Request => [OwedInvalidation.OfContext(ContextGranularity.Global)],
        _ => [],
    };

    /// <summary>What PASID directory and table say; empty where the change does not concern it.</summary>
    /// <param name="isScalable">Whether the unit is in scalable mode.</param>
    public IReadOnlyList<OwedInvalidation> OfPasids(bool isScalable) => change.Structure switch
    {
        WalkStructure.Request when isScalable => [OwedInvalidation.OfPasid(PasidCacheGranularity.Global)],
        WalkStructure.ScalableRoot => [OwedInvalidation.OfPasid(PasidCacheGranularity.Global)],
        WalkStructure.ScalableContext or WalkStructure.PasidDirectory => [answer.Domain is { } domain
            ? OwedInvalidation.OfPasid(PasidCacheGranularity.Domain, domain)
            : OwedInvalidation.OfPasid(PasidCacheGranularity.Global)],
        WalkStructure.PasidEntry => [OwedInvalidation.OfPasid(PasidCacheGranularity.Pasid, answer.Domain ?? default, answer.Pasid ?? default)],
        _ => [],
    };

    /// <summary>Translations, and entries of tables on the way to them.</summary>
    public OwedInvalidation OfTranslations() => change.Structure switch
    {
        WalkStructure.Request or WalkStructure.Root or WalkStructure.ScalableRoot => OwedInvalidation.OfTranslations(IotlbGranularity.Global),
        WalkStructure.Context => OwedInvalidation.OfTranslations(IotlbGranularity.Domain, DomainOfContext()),
        WalkStructure.ScalableContext or WalkStructure.PasidDirectory => OfDomain(),
        WalkStructure.PasidEntry => OfPasidEntry(),
        WalkStructure.FirstStage => OfFirstStage(),
        _ => OfSecondStage(),
    };

    private OwedInvalidation OfDomain() => answer.Domain is { } domain
        ? OwedInvalidation.OfTranslations(IotlbGranularity.Domain, domain)
        : OwedInvalidation.OfTranslations(IotlbGranularity.Global);

    // The domain whose translations go with a context entry: the old one, or the new one where there was none.
    private DomainId DomainOfContext()
    {
        ContextEntry before = new(new(change.Before.Word0, change.Before.Word1));
        ContextEntry after = new(new(change.After.Word0, change.After.Word1));
        return before.Present || !after.Present ? answer.Domain ?? default : after.DomainId;
    }

    // Translations of the second stage are those of the domain; all others are those of the PASID.
    private OwedInvalidation OfPasidEntry()
    {
        PasidTableEntry before = new(change.Before);
        return before.TranslationType is PasidTranslationType.SecondStage or PasidTranslationType.Nested || answer.Pasid is null
            ? OfDomain()
            : OwedInvalidation.OfPasidTranslations(answer.Domain ?? default, answer.Pasid.Value);
    }

    private OwedInvalidation OfFirstStage()
    {
        DomainId domain = answer.Domain ?? default;
        Pasid pasid = answer.Pasid ?? default;
        return CanName(out int mask, out Iova first)
            ? OwedInvalidation.OfPasidPages(domain, pasid, first, mask, IsLeafOnly((1, 7)))
            : OwedInvalidation.OfPasidTranslations(domain, pasid);
    }

    // Where translation is nested, the address of the request is not the one that the second stage saw.
    private OwedInvalidation OfSecondStage() =>
        change.Structure == WalkStructure.SecondStage && !IsNested && CanName(out int mask, out Iova first)
            ? OwedInvalidation.OfPages(answer.Domain ?? default, first, mask, IsLeafOnly((3, 7)))
            : OfDomain();

    private bool IsNested => answer.Links.Any(link =>
        link.Structure == WalkStructure.PasidEntry && new PasidTableEntry(link.Raw).TranslationType == PasidTranslationType.Nested);

    // An entry of level n translates 2^(9(n - 1)) pages.
    private bool CanName(out int mask, out Iova first)
    {
        mask = 9 * (change.Level - 1);
        first = new(address >> (12 + mask) << (12 + mask));
        return profile.Capabilities.PageSelectiveInvalidation && mask <= profile.Capabilities.MaximumAddressMask;
    }

    private bool IsLeafOnly((ulong Present, int Size) bits) => !IsTable(change.Before.Word0, bits) && !IsTable(change.After.Word0, bits);

    // Whether an entry points to a table.
    private bool IsTable(ulong raw, (ulong Present, int Size) bits) =>
        change.Level > 1 && (raw & bits.Present) != 0 && ((raw >> bits.Size) & 1) == 0;
}
