using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The domains that entries lead to, one for each set of tables, and whether domain-ids tell them apart.</summary>
internal sealed class DomainInventory(AuditLog log)
{
    /// <summary>How many there may be; entries carry a domain-id of sixteen bits, and frames an owner of fifteen.</summary>
    public const int Max = 32_000;

    private readonly Dictionary<AuditedTables, AuditedDomain> _byTables = [];
    private readonly Dictionary<(ushort Id, uint Pasid), AuditedDomain> _byTag = [];
    private readonly List<AuditedDomain> _domains = [];

    // Second-stage translations are tagged by the domain-id alone.
    private const uint AnyPasid = uint.MaxValue;

    /// <summary>In the order in which entries led to them.</summary>
    public IReadOnlyList<AuditedDomain> Domains => _domains;

    /// <summary>The domain of some tables.</summary>
    /// <param name="tables">The tables.</param>
    /// <param name="id">The domain-id of the entry.</param>
    /// <param name="pasid">The PASID of the entry, where it has one.</param>
    /// <returns>Null where there are too many.</returns>
    public AuditedDomain? Find(AuditedTables tables, DomainId id, Pasid? pasid)
    {
        if (!_byTables.TryGetValue(tables, out AuditedDomain? domain))
        {
            if (_domains.Count == Max)
            {
                log.Incompletely($"Only {Max} domains were looked at.");
                return null;
            }

            domain = new(tables);
            _byTables.Add(tables, domain);
            _domains.Add(domain);
        }

        domain.Add(id);
        CheckTag(domain, id, tables.Stage == PasidTranslationType.SecondStage ? AnyPasid : pasid!.Value.Value);
        return domain;
    }

    private void CheckTag(AuditedDomain domain, DomainId id, uint pasid)
    {
        if (_byTag.TryAdd((id.Value, pasid), domain) || _byTag[(id.Value, pasid)] == domain)
            return;
        log.AddFinding(new(
            AuditFindingKind.DomainIdOfTwoDomains,
            default,
            [_byTag[(id.Value, pasid)], domain],
            Pasid: pasid == AnyPasid ? null : pasid,
            Index: id.Value));
    }
}
