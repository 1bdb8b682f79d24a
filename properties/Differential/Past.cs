using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Remembers how tables were and what was invalidated since, and tells which answers a unit may still give.</summary>
/// <remarks>
/// The model of what is binding. A unit may answer a page from
/// <list type="bullet">
/// <item>a context entry as it is, or as it was at a time after which no invalidation of the context cache reached it; and</item>
/// <item>tables as they are, or, under any context of the same domain that ever was, as they were at a time after which
/// no invalidation of the IOTLB reached domain and page; and</item>
/// <item>in scalable mode, PASID tables as they are or ever were.</item>
/// </list>
/// Nothing else. Answers come from a unit of ours without caches over a copy of the tables.
/// </remarks>
internal sealed class Past : IDisposable, IInterruptSink
{
    private readonly List<Moment> _moments = [];
    private readonly List<Invalidation> _invalidations = [];
    private readonly PhysicalMemory _copy = new(Ground.MemoryBytes);
    private readonly RemappingUnit _reader;
    private int _now;

    public Past(HardwareProfile profile)
    {
        _reader = new(_copy, this, profile with { IotlbSets = 0, ContextCacheSets = 0, PrefetchPages = 0 });
    }

    public void Dispose() => _copy.Dispose();

    void IInterruptSink.Deliver(MessageInterrupt message) => throw new InvalidOperationException("Nobody sends an interrupt here.");

    /// <summary>Everything before is forgotten.</summary>
    public void Begin()
    {
        _moments.Clear();
        _invalidations.Clear();
    }

    /// <summary>Looks at the tables; called before anything uses them.</summary>
    public void Look(PhysicalMemory memory, ulong root)
    {
        byte[] tables = new byte[Ground.WalkedBytes];
        Assert.True(memory.TryRead(new PhysicalAddress(Ground.Tables), tables.AsSpan()));
        if (_moments.Count != 0 && _moments[^1].Root == root && _moments[^1].Tables.AsSpan().SequenceEqual(tables))
            return;
        if (_moments.Count != 0)
            _moments[^1] = _moments[^1] with { End = _now };
        _moments.Add(new(tables, root, int.MaxValue));
    }

    /// <summary>Something was invalidated.</summary>
    public void Invalidated(Invalidation invalidation)
    {
        _invalidations.Add(invalidation with { Time = _now });
        _now++;
    }

    /// <summary>The walk of a page through tables as they are now.</summary>
    public WalkTranscript Explain(PageAccess access) => Explain(_moments[^1], _moments[^1], _moments[^1], access);

    /// <summary>What tables say as they are now.</summary>
    public PageAnswer Fresh(PageAccess access) => Answer(_moments[^1], _moments[^1], _moments[^1], access);

    /// <summary>Whether an answer is one that a unit may give.</summary>
    public bool Permits(PageAccess access)
    {
        Moment now = _moments[^1];
        List<Moment> contexts = [.. _moments.Where(moment => !IsGone(moment, invalidation => invalidation.ReachesContext(access.Device, DomainOf(moment, access.Device)))).DistinctBy(Contexts)];
        foreach (Moment pasids in PasidTables)
        {
            if (contexts.Exists(context => Answer(context, pasids, now, access) == access.Answer))
                return true;
        }

        HashSet<ushort?> tags = [.. contexts.Select(context => DomainOf(context, access.Device))];
        foreach (Moment context in _moments.Where(moment => tags.Contains(DomainOf(moment, access.Device))).DistinctBy(Contexts))
        {
            ushort? domain = DomainOf(context, access.Device);
            Moment[] tables = [.. _moments.Where(moment => !IsGone(moment, invalidation => invalidation.ReachesPage(domain, access.Address)))];
            if (PasidTables.Any(pasids => Array.Exists(tables, old => Answer(context, pasids, old, access) == access.Answer)))
                return true;
        }

        return false;
    }

    // PASID tables as they ever were: programs do not invalidate what is cached of them. In legacy mode there are none.
    private IEnumerable<Moment> PasidTables => _moments.DistinctBy(moment =>
        Convert.ToHexString(moment.Tables.AsSpan(Ground.PasidStart, Ground.PasidBytes)));

    private static string Contexts(Moment moment) => $"{moment.Root:x} {Convert.ToHexString(moment.Tables.AsSpan(0, Ground.ContextBytes))}";

    private bool IsGone(Moment moment, Func<Invalidation, bool> reaches) =>
        _invalidations.Any(invalidation => invalidation.Time >= moment.End && reaches(invalidation));

    // The domain in the context entry of a device; null in scalable mode and where there is none.
    private ushort? DomainOf(Moment moment, int device)
    {
        Load(moment, moment, moment);
        RootTableAddress root = new(new(moment.Root));
        if (root.Mode != TranslationTableMode.Legacy || !_copy.TryRead(root.Table, out Bits128 rootEntry))
            return null;
        PhysicalAddress place = new RootEntry(rootEntry).ContextTable + (16ul * Ground.Devices[device].DeviceFunction);
        return _copy.TryRead(place, out Bits128 entry) ? new ContextEntry(entry).DomainId.Value : null;
    }

    private PageAnswer Answer(Moment context, Moment pasids, Moment tables, PageAccess access)
    {
        WalkTranscript transcript = Explain(context, pasids, tables, access);
        return transcript.Passes ? new(FaultReason.None, transcript.Target.Value) : new(transcript.Fault, 0, !transcript.Reported);
    }

    private WalkTranscript Explain(Moment context, Moment pasids, Moment tables, PageAccess access)
    {
        Load(context, pasids, tables);
        _reader.Reset();
        _reader.Write(RegisterOffsets.RootTableAddress, 8, context.Root);
        _reader.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { SetRootTablePointer = true }.Raw.Value);
        _reader.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { TranslationEnable = true }.Raw.Value);
        return _reader.Explain(Ground.Devices[access.Device], new(access.Address), access.Write);
    }

    // Root and context tables of one moment, PASID tables of another, everything else of a third.
    private void Load(Moment context, Moment pasids, Moment tables)
    {
        Assert.True(_copy.TryWrite(new PhysicalAddress(Ground.Tables), tables.Tables));
        Assert.True(_copy.TryWrite(new PhysicalAddress(Ground.Tables), context.Tables.AsSpan(0, Ground.ContextBytes)));
        Assert.True(_copy.TryWrite(new PhysicalAddress(Ground.Tables + Ground.PasidStart), pasids.Tables.AsSpan(Ground.PasidStart, Ground.PasidBytes)));
    }

    private sealed record Moment(byte[] Tables, ulong Root, int End);
}

/// <summary>One invalidation that a unit carried out.</summary>
/// <param name="Context">Whether it reaches contexts; translations otherwise.</param>
/// <param name="Domain">Of which domain; null for all.</param>
/// <param name="Device">Of which device; null for all.</param>
/// <param name="Address">The first address of a range of pages.</param>
/// <param name="Mask">2^mask pages; null for all.</param>
/// <param name="Time">When, in invalidations.</param>
internal sealed record Invalidation(bool Context, ushort? Domain = null, int? Device = null, ulong Address = 0, int? Mask = null, int Time = 0)
{
    /// <summary>Whether a context of a device and domain is gone after it.</summary>
    public bool ReachesContext(int device, ushort? domain) =>
        Context && (Device is null || Device == device) && (Domain is null || Domain == domain);

    /// <summary>Whether a translation of a page in a domain is gone after it.</summary>
    public bool ReachesPage(ushort? domain, ulong address) =>
        !Context && (Domain is null || Domain == domain) && (Mask is null || address >> (12 + Mask) == Address >> (12 + Mask));
}
