using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>What one change of tables makes stale: some of the context cache, then some of the IOTLB; or some interrupt entries. It is waited for as a whole.</summary>
internal readonly record struct InvalidationRequest
{
    /// <summary>How much of the context cache; <see cref="ContextGranularity.Reserved"/> for nothing.</summary>
    public ContextGranularity Context { get; private init; }

    /// <summary>The requester whose context entry changed.</summary>
    public SourceId Source { get; private init; }

    /// <summary>The domain-id with which its cached entry is tagged.</summary>
    public DomainId ContextDomain { get; private init; }

    /// <summary>How much of the IOTLB; <see cref="IotlbGranularity.Reserved"/> for nothing.</summary>
    public IotlbGranularity Iotlb { get; private init; }

    /// <summary>The domain whose translations changed.</summary>
    public DomainId Domain { get; private init; }

    /// <summary>The first page, aligned to 2^<see cref="AddressMask"/> pages.</summary>
    public Iova Address { get; private init; }

    /// <summary>2^AM pages.</summary>
    public int AddressMask { get; private init; }

    /// <summary>Whether only leaf entries changed, so that the unit may keep what it cached of tables above.</summary>
    public bool LeafOnly { get; private init; }

    /// <summary>The PASID whose entry, or whose translations, changed; only in scalable mode.</summary>
    public Pasid Pasid { get; private init; }

    /// <summary>Whether the entry of the PASID itself changed.</summary>
    public bool PasidEntry { get; private init; }

    /// <summary>How much of what the first stage translates; 0 for nothing.</summary>
    public PasidIotlbGranularity PasidIotlb { get; private init; }

    /// <summary>Whether devices that are told may keep translations of processes, too, that depend on what changed.</summary>
    public bool AllPasids { get; init; }

    /// <summary>Whether page requests that are under way shall be in their queue when it completes.</summary>
    public bool DrainsPageRequests { get; init; }

    /// <summary>How much of the interrupt entry cache.</summary>
    public InterruptScope Interrupts { get; private init; }

    /// <summary>The first interrupt entry, a multiple of 2^<see cref="InterruptMask"/>.</summary>
    public int InterruptIndex { get; private init; }

    /// <summary>2^IM interrupt entries.</summary>
    public int InterruptMask { get; private init; }

    /// <summary>The mask that stands for a whole address space.</summary>
    public const int WholeMask = 52;

    /// <summary>All contexts and translations: after a new root table, and whenever nothing smaller is safe.</summary>
    public static InvalidationRequest Everything { get; } = new() { Context = ContextGranularity.Global, Iotlb = IotlbGranularity.Global };

    /// <summary>All interrupt entries: after a new table of them.</summary>
    public static InvalidationRequest AllInterrupts { get; } = new() { Interrupts = InterruptScope.All };

    /// <summary>What is safe where it is not known how much of this request was done.</summary>
    public InvalidationRequest Widest => Everything with
    {
        Interrupts = Interrupts == InterruptScope.None ? InterruptScope.None : InterruptScope.All,
        Pasid = Pasid,
        AddressMask = WholeMask,
        AllPasids = AllPasids,
        DrainsPageRequests = DrainsPageRequests,
    };

    /// <summary>Some interrupt entries changed.</summary>
    public static InvalidationRequest OfInterrupts(int index, int mask) =>
        new() { Interrupts = InterruptScope.Entries, InterruptIndex = index, InterruptMask = mask };

    /// <summary>The entry of a PASID changed, from or to one that is not present.</summary>
    /// <param name="domain">Its domain.</param>
    /// <param name="pasid">The PASID.</param>
    /// <param name="isNested">Whether its translations are nested: then all of the domain goes.</param>
    public static InvalidationRequest OfPasid(DomainId domain, Pasid pasid, bool isNested) => new()
    {
        PasidEntry = true,
        Domain = domain,
        Pasid = pasid,
        PasidIotlb = isNested ? 0 : PasidIotlbGranularity.Pasid,
        Iotlb = isNested ? IotlbGranularity.Domain : IotlbGranularity.Reserved,
        AddressMask = WholeMask,
    };

    /// <summary>Some pages of a process changed.</summary>
    /// <param name="domain">The domain of its PASID.</param>
    /// <param name="pasid">The PASID.</param>
    /// <param name="address">The first page, aligned to 2^<paramref name="addressMask"/> pages.</param>
    /// <param name="addressMask">2^AM pages; <see cref="WholeMask"/> for all.</param>
    public static InvalidationRequest OfPasidPages(DomainId domain, Pasid pasid, Iova address, int addressMask) => new()
    {
        Domain = domain,
        Pasid = pasid,
        PasidIotlb = addressMask == WholeMask ? PasidIotlbGranularity.Pasid : PasidIotlbGranularity.Page,
        Address = address,
        AddressMask = addressMask,
    };

    /// <summary>A context entry changed.</summary>
    /// <param name="source">Whose.</param>
    /// <param name="cached">The domain-id of the entry as it may be cached.</param>
    /// <param name="domain">The domain whose translations go with it.</param>
    public static InvalidationRequest OfDevice(SourceId source, DomainId cached, DomainId domain) =>
        new() { Context = ContextGranularity.Device, Source = source, ContextDomain = cached, Iotlb = IotlbGranularity.Domain, Domain = domain };

    /// <summary>A root entry changed.</summary>
    /// <param name="domain">The domain whose translations go with it.</param>
    public static InvalidationRequest OfBus(DomainId domain) =>
        new() { Context = ContextGranularity.Global, Iotlb = IotlbGranularity.Domain, Domain = domain };

    /// <summary>Anything of a domain changed.</summary>
    public static InvalidationRequest OfDomain(DomainId domain) => new() { Iotlb = IotlbGranularity.Domain, Domain = domain };

    /// <summary>Some pages of a domain changed.</summary>
    public static InvalidationRequest OfPages(DomainId domain, Iova address, int addressMask, bool leafOnly) =>
        new() { Iotlb = IotlbGranularity.Page, Domain = domain, Address = address, AddressMask = addressMask, LeafOnly = leafOnly };
}
