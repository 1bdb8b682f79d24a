using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>One address space for devices: a domain-id and page tables, both of one remapping unit.</summary>
/// <remarks>
/// Ranges are whole 4 KiB pages. Requests for one domain are served one after the other, in the order of asking.
/// In the normal case they complete before they return and use no memory of this program.
/// </remarks>
public sealed class RemappingDomain
{
    private const ulong PageMask = 0xFFF;

    private readonly RemappingDriver _driver;
    private readonly DomainTables _tables;

    // What the unit must still be told, and what the map under way adds.
    private readonly TableChange _change = new();
    private readonly TableChange _added = new();
    private readonly List<DeviceTlbTarget> _deviceTlbs = [];
    private readonly List<SourceId> _requesters = [];
    private readonly Gate _gate = new();
    private bool _isTrimDue;

    internal RemappingDomain(RemappingDriver driver, DomainTables tables, DomainId id, AddressWidth width, TranslationStage stage)
    {
        _driver = driver;
        _tables = tables;
        Id = id;
        Width = width;
        Stage = stage;

        // Of the addresses of the first stage, the upper half is that of negative numbers.
        AddressBits = stage == TranslationStage.First
            ? UnitCapabilities.BitsOf(width) - 1
            : Math.Min(UnitCapabilities.BitsOf(width), driver.Unit.AddressBits);
    }

    /// <summary>Its number in the unit.</summary>
    public DomainId Id { get; }

    /// <summary>How wide its tables are, and so how many levels they have.</summary>
    public AddressWidth Width { get; }

    /// <summary>By which stage its tables translate.</summary>
    public TranslationStage Stage { get; }

    /// <summary>How many bits a device address may have: those of the tables, or fewer where the unit lets fewer through.</summary>
    public int AddressBits { get; }

    /// <summary>How many requesters are attached.</summary>
    public int Attached { get; internal set; }

    /// <summary>Whether it was given back.</summary>
    public bool IsReleased { get; private set; }

    /// <summary>Whether what devices write is logged.</summary>
    public bool LogsWrites => _tables.Log is not null;

    /// <summary>Whether it is logged by dirty bits; else all that devices may write counts as written.</summary>
    public bool HasDirtyBits => _tables.Log is { HasBits: true };

    /// <summary>The top table.</summary>
    public GuestPhysicalAddress Root => _tables.Root;

    /// <summary>Maps memory, with the largest pages that alignment and the unit allow.</summary>
    /// <param name="address">The first device address.</param>
    /// <param name="target">The first byte of memory.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="direction">What devices may do; through the first stage, what they may write they may read too.</param>
    /// <returns>
    /// <see cref="DmaRefusal.None"/>, or why nothing changed: <see cref="DmaRefusal.BadDirection"/>;
    /// <see cref="DmaRefusal.BadRange"/> for parts of pages, nothing, addresses that the tables or the host do not have, or the
    /// interrupt range on either side; <see cref="DmaRefusal.StillMapped"/> where something is mapped already;
    /// <see cref="DmaRefusal.Exhausted"/> when frames for tables ran out.
    /// </returns>
    public async ValueTask<DmaRefusal> Map(Iova address, GuestPhysicalAddress target, ulong length, DmaDirection direction)
    {
        if (direction == DmaDirection.None || (direction & ~DmaDirection.Bidirectional) != 0)
            return DmaRefusal.BadDirection;
        if (!IsRange(address.Value, length, AddressBits) || !IsRange(target.Value, length, _driver.Options.HostAddressWidth))
            return DmaRefusal.BadRange;
        ulong end = address.Value + length;
        await Enter();
        try
        {
            // What is still cached of an unmapped neighbour must not lead past the new entries.
            if (_change.Touches(address.Value, end))
                await Invalidate();
            if (_tables.AnyMapped(address.Value, end))
                return DmaRefusal.StillMapped;
            _added.Clear();
            bool isFilled = _tables.TryFill(address.Value, end, target.Value, direction, _added);
            if (isFilled && !CachesAbsence)
            {
                await _driver.FlushWriteBuffers();
                return DmaRefusal.None;
            }

            // Where entries that are not present may be cached, the unit must be told of new ones as of changed ones.
            if (!isFilled)
                _tables.Clear(address.Value, end, _added);
            _change.Include(_added);
            await Invalidate();
            return isFilled ? DmaRefusal.None : DmaRefusal.Exhausted;
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Unmaps a range; when it completes, no device can use it any more.</summary>
    /// <param name="address">The first device address; the range may be part of what was mapped, or several mappings.</param>
    /// <param name="length">Bytes.</param>
    /// <returns>
    /// <see cref="DmaRefusal.None"/>, or why nothing is unmapped: <see cref="DmaRefusal.BadRange"/>; <see cref="DmaRefusal.NotMapped"/>
    /// where not all of it is mapped; <see cref="DmaRefusal.Exhausted"/> when a superpage had to be split and no frame is left for that.
    /// </returns>
    public ValueTask<DmaRefusal> Unmap(Iova address, ulong length) => Unmap(address, length, isDeferred: false);

    /// <summary>Unmaps a range in the tables alone: devices may go on using it until <see cref="Flush"/> completes.</summary>
    /// <remarks>Many of these with one flush cost one invalidation. Until then the memory behind the range must not be used for anything else.</remarks>
    /// <inheritdoc cref="Unmap(Iova, ulong)"/>
    public ValueTask<DmaRefusal> UnmapDeferred(Iova address, ulong length) => Unmap(address, length, isDeferred: true);

    /// <summary>Lets a mapped range lead to other memory, or with other rights, without a moment in which it is not mapped.</summary>
    /// <remarks>Until <see cref="Flush"/> completes, devices may still reach what was there before.</remarks>
    /// <param name="address">The first device address; the range may be part of what was mapped, or several mappings.</param>
    /// <param name="target">The first byte of memory.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="direction">What devices may do.</param>
    /// <returns>
    /// <see cref="DmaRefusal.None"/>, or why not all of it leads there: as <see cref="Map"/>, and <see cref="DmaRefusal.NotMapped"/>, with nothing changed;
    /// <see cref="DmaRefusal.Exhausted"/> when a superpage had to be split and no frame is left for that, with part of it changed.
    /// </returns>
    public async ValueTask<DmaRefusal> ReplaceDeferred(Iova address, GuestPhysicalAddress target, ulong length, DmaDirection direction)
    {
        if (direction == DmaDirection.None || (direction & ~DmaDirection.Bidirectional) != 0)
            return DmaRefusal.BadDirection;
        if (!IsRange(address.Value, length, AddressBits) || !IsRange(target.Value, length, _driver.Options.HostAddressWidth))
            return DmaRefusal.BadRange;
        ulong end = address.Value + length;
        await Enter();
        try
        {
            if (!_tables.AllMapped(address.Value, end))
                return DmaRefusal.NotMapped;
            return _tables.TrySplit(address.Value, _change) && _tables.TrySplit(end, _change)
                && _tables.TryReplace(address.Value, end, target.Value, direction, _change)
                ? DmaRefusal.None
                : DmaRefusal.Exhausted;
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Completes all deferred unmaps, replacements and harvests; of a domain that was released there are none.</summary>
    public async ValueTask Flush()
    {
        await _gate.Enter();
        try
        {
            if (!IsReleased)
                await Invalidate();
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Begins to log which pages of memory devices write.</summary>
    /// <remarks>
    /// By dirty bits where the unit keeps them (ECAP.SSADS, in scalable mode, with walks that snoop) and no process shares its
    /// address space on top of the domain yet. Otherwise every page that may be written counts as written, each time.
    /// </remarks>
    /// <exception cref="InvalidOperationException">It is logged already.</exception>
    public async ValueTask StartWriteLog()
    {
        await Enter();
        try
        {
            if (LogsWrites)
                throw new InvalidOperationException($"What devices write through domain {Id} is logged already.");
            bool hasBits = Stage == TranslationStage.Second && _driver.DirtyBits is not null && _driver.Processes?.AnyNestedOn(this) != true;
            _tables.Log = new(hasBits);
            foreach (SourceId source in _requesters.ToArray())
                await SetDirtyBits(source, hasBits);

            // What is cached from before would be written without a mark.
            _tables.CollectWrites(_change);
            _change.Include(0, 1ul << AddressBits);
            await Invalidate();
            _tables.Log.Pages.Clear();
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Takes the pages that devices wrote since the last time, and begins anew; when it completes, each later write is logged.</summary>
    /// <param name="pages">Gets the numbers of the pages of memory.</param>
    /// <remarks>What the pages hold must be read after this completes: a device goes on writing without a mark until its cached translations are gone.</remarks>
    public async ValueTask HarvestWrites(ISet<ulong> pages)
    {
        await HarvestWritesDeferred(pages);
        await Flush();
    }

    /// <summary>Takes the pages that devices wrote, in the tables alone: later writes may go unlogged until <see cref="Flush"/> completes.</summary>
    /// <inheritdoc cref="HarvestWrites"/>
    public async ValueTask HarvestWritesDeferred(ISet<ulong> pages)
    {
        await _gate.Enter();
        try
        {
            if (_tables.Log is not { } log)
                return;
            if (!IsReleased)
                _tables.CollectWrites(_change);
            pages.UnionWith(log.Pages);
            log.Pages.Clear();
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Ends the log, if there is one.</summary>
    public async ValueTask StopWriteLog()
    {
        await _gate.Enter();
        try
        {
            bool hadBits = HasDirtyBits;
            _tables.Log = null;
            foreach (SourceId source in hadBits ? _requesters.ToArray() : [])
                await SetDirtyBits(source, enabled: false);
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>What the tables say about an address.</summary>
    /// <param name="address">Any address.</param>
    /// <param name="mapping">What is behind it.</param>
    /// <returns><c>false</c> where nothing is mapped.</returns>
    public bool TryFind(Iova address, out RemappingLeaf mapping)
    {
        mapping = default;
        return address.Value >> AddressBits == 0 && _tables.TryFind(address.Value, out mapping);
    }

    /// <summary>A requester reaches what is mapped from now on.</summary>
    internal ValueTask AddRequester(SourceId source)
    {
        _requesters.Add(source);
        return HasDirtyBits ? SetDirtyBits(source, enabled: true) : default;
    }

    /// <summary>A device may keep translations of its own from now on.</summary>
    internal void Add(DeviceTlbTarget device) => _deviceTlbs.Add(device);

    /// <summary>A requester reaches nothing any more, and keeps no translations.</summary>
    internal void Remove(SourceId source)
    {
        _ = _requesters.Remove(source);
        _ = _deviceTlbs.RemoveAll(device => device.Source == source);
    }

    /// <summary>Gives its memory back. Its last requester is gone, and with it all that the unit had cached of it.</summary>
    internal async ValueTask Release()
    {
        await Enter();
        IsReleased = true;

        // What devices wrote is known from the tables alone, which go now.
        if (LogsWrites)
            _tables.CollectWrites(_change);
        _tables.Free();
        _gate.Leave();
    }

    // Entries of the first stage that are not present are never cached.
    private bool CachesAbsence => Stage == TranslationStage.Second && _driver.Unit.Capability.CachingMode;

    private static bool IsRange(ulong first, ulong length, int bits)
    {
        ulong limit = 1ul << bits;
        bool isPages = length != 0 && ((first | length) & PageMask) == 0;
        return isPages && first < limit && length <= limit - first
            && !(first <= InterruptRange.Last && InterruptRange.First < first + length);
    }

    private async ValueTask<DmaRefusal> Unmap(Iova address, ulong length, bool isDeferred)
    {
        if (!IsRange(address.Value, length, AddressBits))
            return DmaRefusal.BadRange;
        ulong end = address.Value + length;
        await Enter();
        try
        {
            if (!_tables.AllMapped(address.Value, end))
                return DmaRefusal.NotMapped;
            bool isSplit = _tables.TrySplit(address.Value, _change) && _tables.TrySplit(end, _change);
            if (isSplit)
                _tables.Clear(address.Value, end, _change, keepsTables: isDeferred);

            // A table that became empty stays where others will be mapped next: cut off, it would have to be invalidated before.
            _isTrimDue |= isDeferred;
            if (!isDeferred)
                await Invalidate();
            return isSplit ? DmaRefusal.None : DmaRefusal.Exhausted;
        }
        finally
        {
            _gate.Leave();
        }
    }

    private async ValueTask Enter()
    {
        await _gate.Enter();
        if (!IsReleased)
            return;
        _gate.Leave();
        throw new InvalidOperationException($"Domain {Id} was released.");
    }

    private ValueTask SetDirtyBits(SourceId source, bool enabled) => _driver.DirtyBits?.Set(source, Id, enabled) ?? default;

    // By pages where one aligned power of two covers the change and the unit can do that, otherwise the whole domain.
    private async ValueTask Invalidate()
    {
        if (_change.IsEmpty)
            return;
        if (_isTrimDue)
            _tables.Trim(_change.First, _change.End, _change);
        _isTrimDue = false;
        ulong firstPage = _change.First >> 12;
        int mask = 64 - System.Numerics.BitOperations.LeadingZeroCount(firstPage ^ ((_change.End - 1) >> 12));
        CapabilityRegister unit = _driver.Unit.Capability;
        bool isWhole = !unit.PageSelectiveInvalidation || mask > unit.MaximumAddressMask;
        InvalidationRequest request = isWhole
            ? InvalidationRequest.OfDomain(Id)
            : RequestOf(new(firstPage >> mask << mask << 12), mask);

        // Nested, a change of this stage may be anywhere in what a device knows of its processes.
        bool isNested = _deviceTlbs.Count != 0 && _driver.Processes?.AnyNestedOn(this) == true;
        IReadOnlyList<SourceId>? silent = await _driver.Invalidator.Invalidate(request with { AllPasids = isNested }, _deviceTlbs);

        // Nothing may be done with the memory while a device could use it: one that does not answer loses everything.
        foreach (SourceId source in silent ?? [])
            await _driver.Quarantine(source);
        _change.Clear();
        _tables.ReleaseRetired();
    }

    // What the first stage translates has commands of its own: requests without PASID are those of PASID 0.
    private InvalidationRequest RequestOf(Iova address, int mask) => Stage == TranslationStage.First
        ? InvalidationRequest.OfPasidPages(Id, default, address, mask)
        : InvalidationRequest.OfPages(Id, address, mask, _change.LeafOnly);
}
