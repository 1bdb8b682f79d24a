using Dma.Iommu.Spec;

namespace Dma.Vmm;

/// <summary>What a guest has invalidated and the VMM has not followed yet; what there is too much of is put together.</summary>
internal sealed class GuestInvalidations
{
    private const int RangesMax = 64;

    private readonly List<(DomainId Domain, ulong First, ulong End)> _ranges = [];
    private readonly HashSet<DomainId> _domains = [];

    /// <summary>Requesters may belong elsewhere, and that is all.</summary>
    public static GuestInvalidations OfContexts => new() { Contexts = true };

    /// <summary>Whether there is nothing to follow.</summary>
    public bool IsEmpty => !Contexts && !AllDomains && _domains.Count == 0 && _ranges.Count == 0;

    /// <summary>Whether requesters may belong elsewhere.</summary>
    public bool Contexts { get; private set; }

    /// <summary>Whether all translations may be others.</summary>
    public bool AllDomains { get; private set; }

    /// <summary>Requesters may belong elsewhere.</summary>
    public void AddContexts() => Contexts = true;

    /// <summary>All translations may be others.</summary>
    public void AddAllDomains() => AllDomains = true;

    /// <summary>All translations of a domain may be others.</summary>
    public void AddDomain(DomainId domain) => _domains.Add(domain);

    /// <summary>Translations of some pages of a domain may be others.</summary>
    public void AddPages(DomainId domain, ulong first, ulong length)
    {
        if (_domains.Contains(domain))
            return;
        if (_ranges.Count < RangesMax && length <= ulong.MaxValue - first)
            _ranges.Add((domain, first, first + length));
        else
            _ = _domains.Add(domain);
    }

    /// <summary>Whether all translations of a domain may be others.</summary>
    public bool HasWhole(DomainId domain) => AllDomains || _domains.Contains(domain);

    /// <summary>The ranges of a domain in which translations may be others.</summary>
    public IEnumerable<(ulong First, ulong End)> RangesOf(DomainId domain) =>
        _ranges.Where(range => range.Domain == domain).Select(range => (range.First, range.End));
}
