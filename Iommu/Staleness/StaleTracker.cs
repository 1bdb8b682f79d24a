using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Finds the invalidation that software forgot: knows all that caches hold, and watches the tables that it came from.</summary>
/// <remarks>
/// It looks on. What a cache holds is compared with tables when it goes in, at each write to an entry that it was made
/// of, and when a request uses it after such a write. So a use is reported only where tables say something else at
/// that moment, and the write that it is put down to is the first one since which they do.
/// </remarks>
internal sealed class StaleTracker : IMemoryWatcher
{
    private const int PruneMin = 256;

    private readonly PhysicalMemory _memory;
    private readonly HardwareProfile _profile;
    private readonly MemoryWatch _watch;
    private readonly ContextInvalidationLog _contexts;
    private readonly PasidInvalidationLog _pasids = new();
    private readonly Dictionary<(CacheKind Cache, ulong Tag, ulong Key), CachedAnswer> _answers = [];
    private readonly Dictionary<ulong, HashSet<CachedAnswer>> _byFrame = [];
    private int _pruneAt = PruneMin;
    private ulong _writes;
    private ulong _requests;

    // The request that is being answered, and the write since which what it was answered with so far is stale.
    private (SourceId Source, Pasid? Pasid, ulong Address, bool Write) _request;
    private TableWrite? _known;

    public StaleTracker(PhysicalMemory memory, HardwareProfile profile)
    {
        _memory = memory;
        _profile = profile;
        _watch = memory.Watch(this);
        _contexts = new(profile.DeviceSelectiveMatchesDomain);
    }

    /// <summary>Who is told of each use of what is stale; may be null.</summary>
    public IRemappingObserver? Observer { get; set; }

    /// <summary>The root table, as SRTP took it.</summary>
    public RootTableAddress Root { get; private set; }

    /// <summary>The requester whose transaction writes memory now; null while it is software.</summary>
    public SourceId? Writer { get; set; }

    /// <summary>Walks the tables of the walk that is under way once more, in memory alone; null where that is not possible.</summary>
    public Action<List<WalkStep>>? Rewalk { get; set; }

    /// <summary>What a translation of a page is known by, next to its tag.</summary>
    public static ulong KeyOf(ulong address, Translation translation) => (address >> translation.Shift << 2) | (uint)translation.Level;

    /// <summary>Whether tables still give a translation, as far as software owes anything.</summary>
    /// <param name="cached">What was found once.</param>
    /// <param name="now">What is found now.</param>
    /// <param name="address">The address.</param>
    /// <param name="profile">The unit.</param>
    public static bool IsSame(Translation cached, Translation now, ulong address, HardwareProfile profile)
    {
        if (now == cached)
            return true;
        if (now.Failed || cached.Failed || now.Target(address) != cached.Target(address))
            return false;

        // The same page by another size is the same. Rights that were added need no invalidation, but with caching mode.
        const ulong Rights = Translation.Read | Translation.Write | Translation.FirstStageRights;
        ulong lost = cached.Raw & ~now.Raw & Rights;
        ulong added = now.Raw & ~cached.Raw & Rights;
        return lost == 0 && (added == 0 || !profile.Capabilities.CachingMode);
    }

    /// <summary>A request is about to be answered.</summary>
    public void Begin(SourceId source, ulong address, in Access access)
    {
        _requests++;
        _request = (source, access.Attributes.Pasid, address, access.Write);
        _known = null;
        Rewalk = null;
    }

    /// <summary>A cache took something in, in place of what it held under the same tag and key.</summary>
    public void Remember(ulong tag, ulong key, CachedAnswer answer)
    {
        if (_answers.Remove((answer.Cache, tag, key), out CachedAnswer? replaced))
            Forget(replaced);
        if (_answers.Count >= _pruneAt)
            Prune();

        // Where it was made of something stale, it is stale since the same write.
        answer.Compare(_known);
        _answers.Add((answer.Cache, tag, key), answer);
        Watch(answer);
    }

    /// <summary>The cache of paging structures took in an entry that a walk went on from.</summary>
    /// <param name="space">The address space.</param>
    /// <param name="key">What the entry is known by.</param>
    /// <param name="level">Its level.</param>
    /// <param name="data">The table that it leads to, with what the way there permits.</param>
    /// <param name="isHeld">Whether the cache still holds it.</param>
    public void RememberTable(AddressSpace space, ulong key, int level, ulong data, Func<bool> isHeld)
    {
        if (Rewalk is not { } rewalk)
            return;
        bool first = space.Kind is TranslationKind.FirstStage or TranslationKind.Nested;
        Remember(space.Stamp, key, new(CacheKind.PagingStructures, space.Domain, first ? space.Pasid : null, isHeld, steps =>
        {
            rewalk(steps);
            return PagingSteps.Lead(steps, first ? WalkStructure.FirstStage : WalkStructure.SecondStage, level, data);
        }));
    }

    /// <summary>The request is answered with what a cache holds under a tag and a key.</summary>
    public void Use(CacheKind cache, ulong tag, ulong key)
    {
        if (!_answers.TryGetValue((cache, tag, key), out CachedAnswer? answer) || answer.Since is null)
            return;
        Compare(answer, null);
        if (answer.Since is not { } change)
            return;

        // What a cache above answered wrongly already is told once.
        bool isTold = change == _known || answer.ReportedFor == change;
        _known ??= change;
        if (isTold)
            return;
        answer.ReportedFor = change;
        Observer?.StaleEntryUsed(new(
            _request.Source,
            _request.Pasid,
            new(_request.Address),
            _request.Write,
            cache,
            _requests - change.Requests,
            change,
            Owed(change, answer),
            _profile.ExtendedCapabilities.QueuedInvalidation));
    }

    /// <summary>Software set the root pointer anew; where the unit forgets everything with it, it has forgotten already.</summary>
    public void SetRoot(RootTableAddress after)
    {
        RootTableAddress before = Root;
        Root = after;
        if (before == after)
            return;
        TableWrite change = NewWrite(WalkStructure.Request, 0, default, new(before.Raw.Value, 0, 0, 0, 0, 0, 0, 0), new(after.Raw.Value, 0, 0, 0, 0, 0, 0, 0));
        List<CachedAnswer> held = [.. _answers.Values.Where(answer => answer.IsHeld)];
        foreach (CachedAnswer answer in held)
            Compare(answer, change);
        if (held.Count != 0)
            _writes++;
    }

    /// <summary>Software invalidated what context entries say.</summary>
    public void ContextInvalidated(ContextGranularity granularity, DomainId domain, SourceId source, int functionMask) =>
        _contexts.Add(granularity, domain, source, functionMask, _writes);

    /// <summary>Software invalidated what PASID entries say.</summary>
    public void PasidsInvalidated(PasidCacheGranularity granularity, DomainId domain, Pasid pasid) =>
        _pasids.Add(granularity, domain, pasid, _writes);

    /// <inheritdoc/>
    void IMemoryWatcher.Written(PhysicalAddress address, ulong length)
    {
        HashSet<CachedAnswer> touched = [];
        foreach ((ulong frame, HashSet<CachedAnswer> answers) in FramesOf(address, length))
            touched.UnionWith(answers);
        bool changed = false;
        foreach (CachedAnswer answer in touched)
        {
            if (!answer.IsHeld || Update(answer, address.Value, length) is not { } change)
                continue;
            changed = true;
            Compare(answer, change);
        }

        if (changed)
            _writes++;
    }

    // A cache above the one that answers wrongly may have been invalidated since; below it, all is still to be done.
    private List<OwedInvalidation> Owed(TableWrite change, CachedAnswer answer)
    {
        OwedInvalidations after = new(change, answer, _request.Source, _request.Address, _profile);
        List<OwedInvalidation> owed = [];
        if (answer.Cache == CacheKind.Context || !_contexts.Covers(change.Number, _request.Source, answer.Domain ?? default))
            owed.AddRange(after.OfContexts());
        if (answer.Cache is CacheKind.Context or CacheKind.Pasid || !_pasids.Covers(change.Number, answer))
            owed.AddRange(after.OfPasids(Root.Mode == TranslationTableMode.Scalable));
        owed.Add(after.OfTranslations());
        return owed;
    }

    private IEnumerable<KeyValuePair<ulong, HashSet<CachedAnswer>>> FramesOf(PhysicalAddress address, ulong length)
    {
        ulong first = address.Value >> 12;
        ulong last = (address.Value + (length - 1)) >> 12;
        if (last - first >= (ulong)_byFrame.Count)
            return _byFrame.Where(pair => pair.Key >= first && pair.Key <= last);
        return Enumerable.Range(0, (int)(last - first) + 1)
            .Where(offset => _byFrame.ContainsKey(first + (ulong)offset))
            .Select(offset => KeyValuePair.Create(first + (ulong)offset, _byFrame[first + (ulong)offset]));
    }

    // Takes note of what entries are now; the first one that became another one is the write.
    private TableWrite? Update(CachedAnswer answer, ulong address, ulong length)
    {
        TableWrite? change = null;
        foreach (CachedAnswer.Link link in answer.Links)
        {
            if (link.Address.Value - address >= length && address - link.Address.Value >= (uint)link.Bytes)
                continue;
            Bits512 now = link.Read(_memory);
            if (now == link.Raw)
                continue;
            change ??= NewWrite(link.Structure, link.Level, link.Address, link.Raw, now);
            link.Raw = now;
        }

        return change;
    }

    private TableWrite NewWrite(WalkStructure structure, int level, PhysicalAddress address, Bits512 before, Bits512 after) =>
        new(_writes + 1, _requests, structure, level, address, before, after, Writer);

    private void Compare(CachedAnswer answer, TableWrite? change)
    {
        CachedAnswer.Link[] links = answer.Links;
        answer.Compare(change);
        if (answer.Links == links)
            return;
        Unwatch(answer, links);
        Watch(answer);
    }

    private void Prune()
    {
        foreach (((CacheKind, ulong, ulong) key, CachedAnswer answer) in _answers.Where(pair => !pair.Value.IsHeld).ToList())
        {
            _ = _answers.Remove(key);
            Forget(answer);
        }

        _pruneAt = Math.Max(PruneMin, 2 * _answers.Count);
    }

    private void Forget(CachedAnswer answer) => Unwatch(answer, answer.Links);

    private void Watch(CachedAnswer answer)
    {
        foreach (CachedAnswer.Link link in answer.Links)
        {
            ulong frame = link.Address.Value >> 12;
            if (!_byFrame.TryGetValue(frame, out HashSet<CachedAnswer>? answers))
            {
                _byFrame[frame] = answers = [];
                _watch.Add(link.Address);
            }

            answers.Add(answer);
        }
    }

    private void Unwatch(CachedAnswer answer, CachedAnswer.Link[] links)
    {
        foreach (CachedAnswer.Link link in links)
        {
            ulong frame = link.Address.Value >> 12;
            if (!_byFrame.TryGetValue(frame, out HashSet<CachedAnswer>? answers) || !answers.Remove(answer) || answers.Count != 0)
                continue;
            _ = _byFrame.Remove(frame);
            _watch.Remove(link.Address);
        }
    }
}
