using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>The model of first-stage tables that hardware walks, and of which it may keep any entry until an invalidation covers it.</summary>
/// <remarks>
/// Caches hold translations, entries that lead to tables, and both from different times: so a walk may find in each entry
/// any value that it has had since the last invalidation of the address, and each of them leads on.
/// </remarks>
internal sealed class NestedModel : VirtualIommuModel
{
    private const ulong Writable = 2;
    private const ulong User = 4;
    private const ulong Accessed = 1 << 5;
    private const ulong Dirty = 1 << 6;
    private const ulong ExtendedAccessed = 1 << 10;
    private const ulong FrameMask = 0x000F_FFFF_FFFF_F000;

    private readonly HardwareProfile _profile;
    private readonly List<Possibility>[] _routes;
    private readonly Dictionary<ulong, List<(ulong Until, ulong Value)>> _past = [];
    private readonly Dictionary<DomainId, ulong[]> _since = [];
    private ulong[] _always;
    private ulong _now = 1;

    public NestedModel(HardwareProfile profile, ulong memoryBytes, SourceId[] devices, ulong[] addresses)
        : base(profile, memoryBytes, devices, addresses)
    {
        _profile = profile;
        _routes = [.. devices.Select(_ => new List<Possibility>())];
        _always = new ulong[addresses.Length];
        Changed();
    }

    /// <summary>What a unit sets by itself in an entry that it uses.</summary>
    public const ulong Marks = Accessed | Dirty | ExtendedAccessed;

    public override void Write(ulong address, ReadOnlySpan<byte> bytes)
    {
        _now++;
        for (ulong word = address & ~7ul; word < address + (ulong)bytes.Length; word += 8)
        {
            if (!_past.TryGetValue(word, out List<(ulong, ulong)>? values))
                _past.Add(word, values = []);
            values.Add((_now, Read(word)));
        }

        base.Write(address, bytes);
    }

    public override void Changed()
    {
        for (int device = 0; device < Devices.Length; device++)
        {
            RequesterRoute route = RouteOf(device);
            _ = _routes[device].RemoveAll(possible => possible.Route == route);
            if (IsTranslating)
                _routes[device].Add(new(route, IsContextForgotten: false));
        }
    }

    /// <summary>Contexts of one requester, or of all, are forgotten; what was made of them in PASID caches is not.</summary>
    public void InvalidateContexts(SourceId? source)
    {
        for (int device = 0; device < Devices.Length; device++)
        {
            if (source is null || Devices[device] == source)
                _routes[device] = [.. _routes[device].Select(possible => possible with { IsContextForgotten = true })];
        }

        Changed();
    }

    /// <summary>PASID entries of a domain, or of all, are forgotten: with their contexts gone before, nothing is left of them.</summary>
    public void InvalidatePasids(DomainId? domain)
    {
        foreach (List<Possibility> routes in _routes)
            _ = routes.RemoveAll(possible => possible.IsContextForgotten && (domain is null || possible.Route.Domain == domain));
        Changed();
    }

    /// <summary>Translations of some addresses of a domain, or of all, are forgotten.</summary>
    public void InvalidateTranslations(DomainId? domain, ulong first, ulong length)
    {
        _now++;
        if (domain is null)
            _always = [.. _always.Select(_ => _now)];
        else if (!_since.ContainsKey(domain.Value))
            _since.Add(domain.Value, new ulong[Addresses.Length]);
        for (int at = 0; domain is not null && at < Addresses.Length; at++)
        {
            if (Addresses[at] - first < length)
                _since[domain.Value][at] = _now;
        }
    }

    public override IEnumerable<Answer> Possible(int device, int at, bool write)
    {
        if (!IsTranslating)
            return [new(MemoryAt(Addresses[at]))];
        return _routes[device].SelectMany(possible => AnswersOf(possible.Route, at, write)).Distinct();
    }

    private HashSet<Answer> AnswersOf(RequesterRoute route, int at, bool write)
    {
        ulong address = Addresses[at];
        if (route.Kind == RouteKind.PassThrough)
            return [new(MemoryAt(address))];
        if (route.Kind != RouteKind.FirstStage)
            return [new(null)];

        // The bits above the tables repeat their highest one.
        int unused = 52 - (9 * route.Levels);
        if ((ulong)((long)(address << unused) >> unused) != address)
            return [new(null, FaultReason.AddressNotCanonical)];
        ulong since = Math.Max(_always[at], _since.TryGetValue(route.Domain, out ulong[]? times) ? times[at] : 0);
        HashSet<Answer> answers = [];
        Visit(new(route.FirstStage, address, write, since, answers), route.Levels, route.Levels, route.Table.Value, ulong.MaxValue);
        return answers;
    }

    private void Visit(in Walk walk, int level, int top, ulong table, ulong rights)
    {
        ulong place = table + ((walk.Address >> (3 + (9 * level)) & 0x1FF) * 8);
        if (MemoryAt(place) is null)
        {
            walk.Refuse(level == top ? FaultReason.FirstStageTopAccess : FaultReason.FirstStageAccess);
            return;
        }

        foreach (ulong entry in ValuesOf(place, walk.Since))
            VisitEntry(walk, level, top, entry, rights & entry);
    }

    private void VisitEntry(in Walk walk, int level, int top, ulong entry, ulong rights)
    {
        bool isPage = level == 1 || (entry & 0x80) != 0;
        ulong marks = Accessed | (walk.Options.ExtendedAccessedEnabled ? ExtendedAccessed : 0) | (isPage && walk.Write ? Dirty : 0);
        if ((entry & 1) == 0)
            walk.Refuse(FaultReason.FirstStageNotPresent);
        else if ((entry & ReservedAt(level, entry, walk.Options.NoExecuteEnabled)) != 0)
            walk.Refuse(FaultReason.FirstStageReserved);
        else if (isPage && (rights & User) == 0)
            walk.Refuse(FaultReason.UserNotPermitted);
        else if (isPage && walk.Write && (rights & Writable) == 0)
            walk.Refuse(FaultReason.ScalableWriteNotPermitted);
        else if ((~entry & marks) != 0 && !walk.Options.PageWalkSnoop)
            walk.Refuse(FaultReason.FirstStageUpdateNotSnooped);
        else if (isPage)
            Land(walk, level, entry);
        else
            Visit(walk, level - 1, top, entry & FrameMask, rights);
    }

    private void Land(in Walk walk, int level, ulong entry)
    {
        ulong offset = (1ul << (3 + (9 * level))) - 1;
        ulong target = (entry & FrameMask & ~offset) | (walk.Address & offset);
        _ = walk.Answers.Add(InterruptRange.Contains(target)
            ? new(null, FaultReason.ScalableOutputInInterruptRange)
            : new(MemoryAt(target)));
    }

    private ulong ReservedAt(int level, ulong entry, bool noExecute)
    {
        ulong reserved = (0x000F_FFFF_FFFF_FFFFul >> _profile.HostAddressWidth << _profile.HostAddressWidth) | (noExecute ? 0 : 1ul << 63);
        if (level == 1 || (entry & 0x80) == 0)
            return reserved;
        return level switch
        {
            2 => reserved | 0x1F_E000,
            3 when _profile.Capabilities.FirstStage1G => reserved | 0x3FFF_E000,
            _ => reserved | 0x80,
        };
    }

    private IEnumerable<ulong> ValuesOf(ulong place, ulong since)
    {
        yield return Read(place);
        if (!_past.TryGetValue(place, out List<(ulong Until, ulong Value)>? values))
            yield break;
        foreach ((ulong until, ulong value) in values)
        {
            if (until > since)
                yield return value;
        }
    }

    private ulong Read(ulong place)
    {
        Assert.True(Memory.TryRead(new(place), out ulong value));
        return value;
    }

    // A way to page tables that may be in use, and whether it can be in PASID caches alone.
    private readonly record struct Possibility(RequesterRoute Route, bool IsContextForgotten);

    private readonly record struct Walk(PasidTableEntry Options, ulong Address, bool Write, ulong Since, HashSet<Answer> Answers)
    {
        public void Refuse(FaultReason reason) => _ = Answers.Add(new(null, reason));
    }
}
