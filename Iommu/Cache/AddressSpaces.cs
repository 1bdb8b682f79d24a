using System.Runtime.InteropServices;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The address spaces that a unit has cached anything for.</summary>
internal sealed class AddressSpaces
{
    // PASIDs and domains make more address spaces than anybody uses. What is beyond this is forgotten with its cache.
    private const int ProcessesMax = 1 << 16;

    // By domain-id, as far as the largest one in use: software begins with small ones.
    private AddressSpace?[] _ofDomains = [];
    private readonly List<AddressSpace> _usedDomains = [];
    private readonly Dictionary<(DomainId, TranslationKind, Pasid), AddressSpace> _ofPasids = [];
    private readonly Dictionary<DomainId, List<AddressSpace>> _pasidsOfDomains = [];
    private ulong _lastStamp;

    /// <summary>The second stage of a domain: that of legacy mode, and the paging structures of all that use its tables.</summary>
    /// <param name="domain">A domain-id within what CAP.ND allows.</param>
    public AddressSpace Of(DomainId domain)
    {
        if (Find(domain) is { } known)
            return known;
        if (domain.Value >= _ofDomains.Length)
            Array.Resize(ref _ofDomains, Math.Max(domain.Value + 1, 2 * _ofDomains.Length));
        AddressSpace space = new(domain, TranslationKind.Legacy, default, NextStamp());
        _ofDomains[domain.Value] = space;
        _usedDomains.Add(space);
        return space;
    }

    /// <summary>What a PASID sees in a domain.</summary>
    /// <param name="domain">A domain-id within what CAP.ND allows.</param>
    /// <param name="kind">How its translations are made.</param>
    /// <param name="pasid">The PASID.</param>
    public AddressSpace Of(DomainId domain, TranslationKind kind, Pasid pasid)
    {
        if (_ofPasids.TryGetValue((domain, kind, pasid), out AddressSpace? known))
            return known;
        if (_ofPasids.Count == ProcessesMax)
            ForgetPasids();
        AddressSpace space = new(domain, kind, pasid, NextStamp());
        _ofPasids.Add((domain, kind, pasid), space);
        if (!_pasidsOfDomains.TryGetValue(domain, out List<AddressSpace>? pasids))
            _pasidsOfDomains[domain] = pasids = [];
        pasids.Add(space);
        return space;
    }

    /// <summary>The same as <see cref="Of(DomainId)"/>, or null where nothing was ever cached for the domain.</summary>
    public AddressSpace? Find(DomainId domain) => domain.Value < _ofDomains.Length ? _ofDomains[domain.Value] : null;

    /// <summary>The same as <see cref="Of(DomainId, TranslationKind, Pasid)"/>, or null where nothing was ever cached there.</summary>
    public AddressSpace? Find(DomainId domain, TranslationKind kind, Pasid pasid) => _ofPasids.GetValueOrDefault((domain, kind, pasid));

    /// <summary>What all PASIDs see in a domain.</summary>
    public ReadOnlySpan<AddressSpace> OfPasids(DomainId domain) => CollectionsMarshal.AsSpan(_pasidsOfDomains.GetValueOrDefault(domain));

    /// <summary>Puts all that is cached for an address space out of reach.</summary>
    public void Drop(AddressSpace space) => space.Drop(NextStamp());

    /// <summary>Puts all that is cached out of reach.</summary>
    public void DropAll()
    {
        foreach (AddressSpace space in _usedDomains)
            Drop(space);
        foreach (AddressSpace space in _ofPasids.Values)
            Drop(space);
    }

    private ulong NextStamp() => ++_lastStamp;

    private void ForgetPasids()
    {
        foreach (AddressSpace space in _ofPasids.Values)
            Drop(space);
        _ofPasids.Clear();
        _pasidsOfDomains.Clear();
    }
}
