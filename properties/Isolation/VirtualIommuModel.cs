using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>What a device behind a remapping unit may be answered: all that the tables said since they were last invalidated.</summary>
/// <remarks>
/// A unit without caches over a copy of the guest's memory says what tables say now. An answer stays possible until an
/// invalidation covers it; then only what is said now, and what will be, is.
/// </remarks>
internal sealed class VirtualIommuModel : IDisposable
{
    private const ulong Scratch = 0x1000_0000;

    private readonly RemappingUnit _bare;
    private readonly SourceId[] _devices;
    private readonly ulong[] _addresses;
    private readonly ulong _memoryBytes;
    private readonly HashSet<RequesterRoute>[] _routes;
    private readonly HashSet<(DomainId Domain, Answer Answer)>[,] _possible;
    private readonly Dictionary<RequesterRoute, Answer[]> _now = [];

    public VirtualIommuModel(HardwareProfile profile, ulong memoryBytes, SourceId[] devices, ulong[] addresses)
    {
        (_devices, _addresses, _memoryBytes) = (devices, addresses, memoryBytes);
        Memory = new(memoryBytes);
        Memory.AddRam(new(Scratch), 0x2000);
        _bare = new(Memory, new InterruptRouter(new()), profile with { IotlbSets = 0, ContextCacheSets = 0, PagingCacheSets = 0, PrefetchPages = 0 });
        _routes = [.. devices.Select(_ => new HashSet<RequesterRoute>())];
        _possible = new HashSet<(DomainId, Answer)>[devices.Length, addresses.Length];
        for (int device = 0; device < devices.Length; device++)
        {
            for (int at = 0; at < addresses.Length; at++)
                _possible[device, at] = [];
        }

        Changed();
    }

    /// <summary>The guest's memory, byte for byte.</summary>
    public PhysicalMemory Memory { get; }

    public bool IsTranslating { get; private set; }

    public ulong Root { get; private set; }

    /// <summary>SRTP and TE.</summary>
    public void Command(ulong root, bool translate)
    {
        (Root, IsTranslating) = (root, translate);
        Changed();
    }

    /// <summary>Something in memory changed: what it says now is possible from now on.</summary>
    public void Changed()
    {
        _now.Clear();
        for (int device = 0; device < _devices.Length; device++)
        {
            _ = _routes[device].Add(RouteOf(device));
            for (int at = 0; at < _addresses.Length; at++)
                AddNow(device, at);
        }
    }

    public void InvalidateContext(ContextGranularity granularity, DomainId domain, SourceId source)
    {
        for (int device = 0; device < _devices.Length; device++)
        {
            RequesterRoute now = RouteOf(device);
            if (granularity == ContextGranularity.Global || (granularity == ContextGranularity.Device && _devices[device] == source))
                _routes[device].Clear();
            else if (granularity == ContextGranularity.Domain)
                _ = _routes[device].RemoveWhere(route => route.Domain == domain);
            _ = _routes[device].Add(now);
        }
    }

    public void InvalidateIotlb(IotlbGranularity granularity, DomainId domain, ulong first, ulong length)
    {
        for (int device = 0; device < _devices.Length; device++)
        {
            for (int at = 0; at < _addresses.Length; at++)
            {
                if (granularity == IotlbGranularity.Global)
                    _possible[device, at].Clear();
                else if (granularity == IotlbGranularity.Domain || _addresses[at] - first < length)
                    _ = _possible[device, at].RemoveWhere(possible => possible.Domain == domain);
                AddNow(device, at);
            }
        }
    }

    /// <summary>What a request may come to.</summary>
    public IEnumerable<Answer> Possible(int device, int at) =>
        IsTranslating ? _possible[device, at].Select(possible => possible.Answer) : [AnswerOf(RouteOf(device), at)];

    /// <summary>What the tables say now.</summary>
    public WalkTranscript Explain(SourceId device, ulong address, bool write)
    {
        Lead(Root);
        return _bare.Explain(device, new(address), write);
    }

    public void Dispose() => Memory.Dispose();

    private RequesterRoute RouteOf(int device)
    {
        if (!IsTranslating)
            return new(RouteKind.Untranslated);
        Lead(Root);
        return _bare.RouteOf(_devices[device]);
    }

    private void AddNow(int device, int at)
    {
        if (!IsTranslating)
            return;
        foreach (RequesterRoute route in _routes[device])
        {
            if (route.Kind != RouteKind.Untranslated)
                _ = _possible[device, at].Add((route.Domain, AnswerOf(route, at)));
        }
    }

    private Answer AnswerOf(RequesterRoute route, int at)
    {
        if (!_now.TryGetValue(route, out Answer[]? answers))
            _now.Add(route, answers = [.. _addresses.Select(address => AnswerOf(route, address))]);
        return answers[at];
    }

    // By tables of our own that lead there.
    private Answer AnswerOf(RequesterRoute route, ulong address)
    {
        if (route.Kind == RouteKind.Blocked)
            return default;
        if (route.Kind != RouteKind.SecondStage)
            return new(MemoryAt(address), MemoryAt(address));
        SourceId any = new(0, 0, 0);
        Assert.True(Memory.TryWrite(new PhysicalAddress(Scratch), new RootEntry { Present = true, ContextTable = new(Scratch + 0x1000) }.Raw));
        ContextEntry context = new()
        {
            Present = true,
            SecondStageTable = route.Table,
            AddressWidth = (AddressWidth)(route.Levels - 2),
            DomainId = route.Domain,
        };
        Assert.True(Memory.TryWrite(new PhysicalAddress(Scratch + 0x1000), context.Raw));
        Lead(Scratch);
        RemappedPort port = _bare.Open(any);
        bool reads = port.TryTranslate(new(address), write: false, out PhysicalAddress read);
        bool writes = port.TryTranslate(new(address), write: true, out PhysicalAddress written);
        return new(reads ? MemoryAt(read.Value) : null, writes ? MemoryAt(written.Value) : null);
    }

    private ulong? MemoryAt(ulong address) => address < _memoryBytes ? address & ~0xFFFul : null;

    private void Lead(ulong root)
    {
        _bare.Write(RegisterOffsets.RootTableAddress, 8, root);
        _bare.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { SetRootTablePointer = true, TranslationEnable = true }.Raw.Value);
    }

    /// <summary>Where a read and a write land in the guest's memory; null where nothing moves.</summary>
    internal readonly record struct Answer(ulong? Read, ulong? Write);
}
