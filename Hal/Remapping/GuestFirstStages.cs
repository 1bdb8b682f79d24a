using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>First stages that guests keep in their own memory, on top of the domains of requesters: for requests without PASID.</summary>
/// <remarks>
/// <code>
///   requester --> entry of PASID 0 --blocked--------------> nothing
///                       |  `--------domain alone----------> what is mapped in its domain
///                       `-----------nested--> guest's tables --> what is mapped in its domain
/// </code>
/// The guest's tables are read by the unit, each of them through the domain: whatever they say, they lead nowhere else.
/// </remarks>
public sealed class GuestFirstStages
{
    private readonly RemappingDriver _driver;
    private readonly ScalableContexts _contexts;

    internal GuestFirstStages(RemappingDriver driver, ScalableContexts contexts) => (_driver, _contexts) = (driver, contexts);

    /// <summary>Whether the unit can have a first stage on top of a domain.</summary>
    public bool CanNest => _driver.Unit.Extended is { Nested: true, FirstStage: true };

    /// <summary>Lets nothing of a requester pass; when it completes, what it had is forgotten.</summary>
    /// <param name="source">The requester; one that is not attached has nothing.</param>
    public ValueTask Block(SourceId source) => Set(source, default);

    /// <summary>Lets a requester reach what is mapped in its domain, as after it was attached.</summary>
    /// <inheritdoc cref="Block"/>
    public ValueTask Open(SourceId source) => _driver.DomainOf(source) is { } domain ? Set(source, _contexts.EntryOf(domain)) : default;

    /// <summary>Lets the requests of a requester go through a guest's tables first.</summary>
    /// <param name="source">The requester, attached to a domain with second-stage tables; one that is not attached has nothing.</param>
    /// <param name="root">The guest's top table, an address of that domain.</param>
    /// <param name="levels">How many levels its tables have, 4 or 5.</param>
    /// <param name="options">An entry of which PWSNP, PGSNP, NXE and EAFE count, as far as the unit has them.</param>
    /// <exception cref="InvalidOperationException">The unit cannot nest, or the domain has first-stage tables itself.</exception>
    public ValueTask Nest(SourceId source, Iova root, int levels, PasidTableEntry options)
    {
        if (_driver.DomainOf(source) is not { } domain)
            return default;
        if (!CanNest || domain.Stage != TranslationStage.Second)
            throw new InvalidOperationException($"Nothing can stand on top of domain {domain.Id}.");
        PasidTableEntry below = _contexts.EntryOf(domain);
        return Set(source, below with
        {
            TranslationType = PasidTranslationType.Nested,
            FirstStageTable = new(root.Value),
            PagingMode = levels == 5 ? FirstStagePagingMode.FiveLevel : FirstStagePagingMode.FourLevel,
            PageWalkSnoop = options.PageWalkSnoop,
            PageSnoop = options.PageSnoop && _driver.Unit.Extended.SnoopControl,
            NoExecuteEnabled = options.NoExecuteEnabled,
            ExtendedAccessedEnabled = options.ExtendedAccessedEnabled && _driver.Unit.Extended.ExtendedAccessed,
        });
    }

    /// <summary>The guest changed pages of its tables; when it completes, neither the unit nor the device uses what they said before.</summary>
    /// <param name="source">The requester; of one that is not attached nothing is known.</param>
    /// <param name="address">The first page, aligned to 2^<paramref name="mask"/> pages.</param>
    /// <param name="mask">2^mask pages; what the unit cannot name is invalidated with all of the domain.</param>
    public ValueTask Invalidate(SourceId source, Iova address, int mask)
    {
        CapabilityRegister unit = _driver.Unit.Capability;
        bool isWhole = !unit.PageSelectiveInvalidation || mask > unit.MaximumAddressMask;
        return _driver.DomainOf(source) is { } domain
            ? _driver.InvalidateFor(source, isWhole ? InvalidationRequest.OfDomain(domain.Id) : InvalidationRequest.OfPasidPages(domain.Id, default, address, mask))
            : default;
    }

    /// <summary>The guest changed any of its tables; when it completes, neither the unit nor the device uses what they said before.</summary>
    /// <inheritdoc cref="Invalidate"/>
    public ValueTask InvalidateAll(SourceId source) => Invalidate(source, default, InvalidationRequest.WholeMask);

    private ValueTask Set(SourceId source, PasidTableEntry entry) =>
        _driver.DomainOf(source) is { } domain && _contexts.TryReplaceRequests(source, entry)
            ? _driver.InvalidateFor(source, InvalidationRequest.OfPasid(domain.Id, default, isNested: true))
            : default;
}
