using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>What cached translations belong to, and how everything cached for it is dropped at once.</summary>
/// <remarks>
/// The second stage of a domain is one address space, whoever uses it; each PASID has others of its own. Cached
/// paging structures carry the stamp of their address space, cached translations the number of a tenant of it. Both
/// are given away once, so that what carries an old one is out of reach, however much it is.
/// </remarks>
/// <param name="domain">The domain.</param>
/// <param name="kind">How its translations are made.</param>
/// <param name="pasid">The PASID; 0 for the second stage, which is the same for all.</param>
/// <param name="stamp">A stamp that was never used.</param>
internal sealed class AddressSpace(DomainId domain, TranslationKind kind, Pasid pasid, ulong stamp)
{
    private readonly List<Tenant> _tenants = [];

    public DomainId Domain => domain;

    public TranslationKind Kind => kind;

    public Pasid Pasid => pasid;

    /// <summary>The tag of what is cached now; never used for another address space, nor again for this one.</summary>
    public ulong Stamp { get; private set; } = stamp;

    /// <summary>Lets equal addresses of different address spaces fall into different sets.</summary>
    public ulong Salt { get; } = (domain.Value * 0x9E37ul) + (pasid.Value * 0xC2B3ul);

    /// <summary>Whether it is the one of these.</summary>
    public bool Is(DomainId domain, TranslationKind kind, Pasid pasid) => Kind == kind && Domain == domain && Pasid == pasid;

    /// <summary>A stream in this address space; the same one each time.</summary>
    public Tenant TenantOf(RequestStream stream)
    {
        foreach (Tenant known in _tenants)
        {
            if (known.Stream == stream)
                return known;
        }

        Tenant tenant = new(stream, this);
        _tenants.Add(tenant);
        return tenant;
    }

    /// <summary>Puts all that is cached out of reach.</summary>
    /// <param name="stamp">A stamp that was never used.</param>
    public void Drop(ulong stamp)
    {
        Stamp = stamp;
        DropTranslations();
    }

    /// <summary>Puts the cached translations out of reach, but not the paging structures.</summary>
    public void DropTranslations()
    {
        foreach (Tenant tenant in _tenants)
            tenant.Leave();
    }
}
