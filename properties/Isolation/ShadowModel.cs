using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>The model of second-stage tables that a VMM shadows: an answer stays possible until an invalidation covers it.</summary>
internal sealed class ShadowModel : VirtualIommuModel
{
    private const ulong Scratch = 0x1000_0000;

    private readonly HashSet<RequesterRoute>[] _routes;
    private readonly HashSet<(DomainId Domain, Pair Answer)>[,] _possible;
    private readonly Dictionary<RequesterRoute, Pair[]> _now = [];

    public ShadowModel(HardwareProfile profile, ulong memoryBytes, SourceId[] devices, ulong[] addresses)
        : base(profile, memoryBytes, devices, addresses)
    {
        Memory.AddRam(new(Scratch), 0x2000);
        _routes = [.. devices.Select(_ => new HashSet<RequesterRoute>())];
        _possible = new HashSet<(DomainId, Pair)>[devices.Length, addresses.Length];
        for (int device = 0; device < devices.Length; device++)
        {
            for (int at = 0; at < addresses.Length; at++)
                _possible[device, at] = [];
        }

        Changed();
    }

    public override void Changed()
    {
        _now.Clear();
        for (int device = 0; device < Devices.Length; device++)
        {
            _ = _routes[device].Add(RouteOf(device));
            for (int at = 0; at < Addresses.Length; at++)
                AddNow(device, at);
        }
    }

    public void InvalidateContext(ContextGranularity granularity, DomainId domain, SourceId source)
    {
        for (int device = 0; device < Devices.Length; device++)
        {
            RequesterRoute now = RouteOf(device);
            if (granularity == ContextGranularity.Global || (granularity == ContextGranularity.Device && Devices[device] == source))
                _routes[device].Clear();
            else if (granularity == ContextGranularity.Domain)
                _ = _routes[device].RemoveWhere(route => route.Domain == domain);
            _ = _routes[device].Add(now);
        }
    }

    public void InvalidateIotlb(IotlbGranularity granularity, DomainId domain, ulong first, ulong length)
    {
        for (int device = 0; device < Devices.Length; device++)
        {
            for (int at = 0; at < Addresses.Length; at++)
            {
                if (granularity == IotlbGranularity.Global)
                    _possible[device, at].Clear();
                else if (granularity == IotlbGranularity.Domain || Addresses[at] - first < length)
                    _ = _possible[device, at].RemoveWhere(possible => possible.Domain == domain);
                AddNow(device, at);
            }
        }
    }

    public override IEnumerable<Answer> Possible(int device, int at, bool write)
    {
        IEnumerable<Pair> pairs = IsTranslating ? _possible[device, at].Select(possible => possible.Answer) : [AnswerOf(RouteOf(device), at)];
        return pairs.Select(pair => new Answer(write ? pair.Write : pair.Read));
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

    private Pair AnswerOf(RequesterRoute route, int at)
    {
        if (!_now.TryGetValue(route, out Pair[]? answers))
            _now.Add(route, answers = [.. Addresses.Select(address => AnswerOf(route, address))]);
        return answers[at];
    }

    // By tables of our own that lead there.
    private Pair AnswerOf(RequesterRoute route, ulong address)
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
        RemappedPort port = Bare.Open(any);
        bool reads = port.TryTranslate(new(address), write: false, out PhysicalAddress read);
        bool writes = port.TryTranslate(new(address), write: true, out PhysicalAddress written);
        return new(reads ? MemoryAt(read.Value) : null, writes ? MemoryAt(written.Value) : null);
    }

    // Where a read and a write land.
    private readonly record struct Pair(ulong? Read, ulong? Write);
}
