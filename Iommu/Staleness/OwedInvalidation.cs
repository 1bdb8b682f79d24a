using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>An invalidation that software owes: the descriptor that it has not put into the queue.</summary>
/// <param name="Descriptor">Its 128 bits; the upper half of a wide descriptor is zero.</param>
public readonly record struct OwedInvalidation(Bits128 Descriptor)
{
    /// <summary>Its type.</summary>
    public InvalidationDescriptorType Type => new ContextCacheDescriptor(Descriptor).Type;

    /// <summary>The same for a unit without a queue: the registers, in the order in which they are written.</summary>
    public string ByRegister
    {
        get
        {
            if (Type == InvalidationDescriptorType.ContextCache)
            {
                ContextCacheDescriptor context = new(Descriptor);
                ContextCommand command = new()
                {
                    Invalidate = true,
                    RequestedGranularity = context.Granularity,
                    DomainId = context.DomainId,
                    Source = context.Source,
                    FunctionMask = context.FunctionMask,
                };
                return $"CCMD = {command.Raw}";
            }

            IotlbDescriptor iotlb = new(Descriptor);
            IotlbInvalidate invalidate = new() { Invalidate = true, RequestedGranularity = iotlb.Granularity, DomainId = iotlb.DomainId };
            InvalidateAddress range = new() { Address = iotlb.Address, AddressMask = iotlb.AddressMask, Hint = iotlb.Hint };
            return iotlb.Granularity == IotlbGranularity.Page ? $"IVA = {range.Raw}, IOTLB = {invalidate.Raw}" : $"IOTLB = {invalidate.Raw}";
        }
    }

    /// <summary>What root or context entries say.</summary>
    public static OwedInvalidation OfContext(ContextGranularity granularity, DomainId domain = default, SourceId source = default) =>
        new(new ContextCacheDescriptor
        {
            Type = InvalidationDescriptorType.ContextCache,
            Granularity = granularity,
            DomainId = domain,
            Source = source,
        }.Raw);

    /// <summary>Translations of a domain, or all of them.</summary>
    public static OwedInvalidation OfTranslations(IotlbGranularity granularity, DomainId domain = default) =>
        new(new IotlbDescriptor { Type = InvalidationDescriptorType.Iotlb, Granularity = granularity, DomainId = domain }.Raw);

    /// <summary>Translations of some pages of a domain.</summary>
    public static OwedInvalidation OfPages(DomainId domain, Iova address, int addressMask, bool leafOnly) =>
        new(new IotlbDescriptor
        {
            Type = InvalidationDescriptorType.Iotlb,
            Granularity = IotlbGranularity.Page,
            DomainId = domain,
            Address = address,
            AddressMask = addressMask,
            Hint = leafOnly,
        }.Raw);

    /// <summary>What the entries of a PASID say.</summary>
    public static OwedInvalidation OfPasid(PasidCacheGranularity granularity, DomainId domain = default, Pasid pasid = default) =>
        new(new PasidCacheDescriptor
        {
            Type = InvalidationDescriptorType.PasidCache,
            Granularity = granularity,
            DomainId = domain,
            Pasid = pasid,
        }.Raw);

    /// <summary>Translations of a PASID.</summary>
    public static OwedInvalidation OfPasidTranslations(DomainId domain, Pasid pasid) =>
        new(new PasidIotlbDescriptor
        {
            Type = InvalidationDescriptorType.PasidIotlb,
            Granularity = PasidIotlbGranularity.Pasid,
            DomainId = domain,
            Pasid = pasid,
        }.Raw);

    /// <summary>Translations of some pages of a PASID.</summary>
    public static OwedInvalidation OfPasidPages(DomainId domain, Pasid pasid, Iova address, int addressMask, bool leafOnly) =>
        new(new PasidIotlbDescriptor
        {
            Type = InvalidationDescriptorType.PasidIotlb,
            Granularity = PasidIotlbGranularity.Page,
            DomainId = domain,
            Pasid = pasid,
            Address = address,
            AddressMask = addressMask,
            Hint = leafOnly,
        }.Raw);

    /// <inheritdoc/>
    public override string ToString() => Type switch
    {
        InvalidationDescriptorType.ContextCache => Describe(new ContextCacheDescriptor(Descriptor)),
        InvalidationDescriptorType.Iotlb => Describe(new IotlbDescriptor(Descriptor)),
        InvalidationDescriptorType.PasidCache => Describe(new PasidCacheDescriptor(Descriptor)),
        _ => Describe(new PasidIotlbDescriptor(Descriptor)),
    };

    private static string Describe(ContextCacheDescriptor it) => it.Granularity switch
    {
        ContextGranularity.Global => "context-cache global",
        ContextGranularity.Domain => $"context-cache domain-selective, domain {it.DomainId}",
        _ => $"context-cache device-selective, source {it.Source}, domain {it.DomainId}, FM {it.FunctionMask}",
    };

    private static string Describe(IotlbDescriptor it) => it.Granularity switch
    {
        IotlbGranularity.Global => "IOTLB global",
        IotlbGranularity.Domain => $"IOTLB domain-selective, domain {it.DomainId}",
        _ => $"IOTLB page-selective, domain {it.DomainId}, address {it.Address.Value:X}h, AM {it.AddressMask}, IH {(it.Hint ? 1 : 0)}",
    };

    private static string Describe(PasidCacheDescriptor it) => it.Granularity switch
    {
        PasidCacheGranularity.Global => "PASID-cache global",
        PasidCacheGranularity.Domain => $"PASID-cache domain-selective, domain {it.DomainId}",
        _ => $"PASID-cache PASID-selective, domain {it.DomainId}, PASID {it.Pasid}",
    };

    private static string Describe(PasidIotlbDescriptor it) => it.Granularity == PasidIotlbGranularity.Pasid
        ? $"PASID-based IOTLB PASID-selective, domain {it.DomainId}, PASID {it.Pasid}"
        : $"PASID-based IOTLB page-selective, domain {it.DomainId}, PASID {it.Pasid}, address {it.Address.Value:X}h, AM {it.AddressMask}, IH {(it.Hint ? 1 : 0)}";
}
