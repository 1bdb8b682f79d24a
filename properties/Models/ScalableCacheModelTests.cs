using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>
/// What caches of scalable mode may answer: between a change of contexts, PASID entries or tables and the invalidation
/// that the architecture asks for, the old answer or the new one and no third; after it, the new one alone.
/// </summary>
public sealed class ScalableCacheModelTests
{
    private const int Pages = 5;
    private const int Pasids = 3;

    private static readonly SourceId[] _devices = [new(0, 3, 0), new(0, 3, 5)];
    private static readonly PasidTranslationType[] _types =
        [PasidTranslationType.SecondStage, PasidTranslationType.FirstStage, PasidTranslationType.Nested];

    [Theory]
    [InlineData("friendly-scalable")]
    [InlineData("hostile-scalable")]
    public void A_cached_answer_is_old_or_new_until_the_invalidation_and_new_after_it(string profile) =>
        Property.Check(Steps().ListOf(100).Select(steps => steps.ToArray()).ToArbitrary(), steps => Run.Play(HardwareProfile.Named(profile), steps), 15, profile);

    [Fact]
    public void Units_with_more_or_less_cache_obey_the_same_law()
    {
        foreach (HardwareProfile profile in (HardwareProfile[])[
            HardwareProfile.Named("friendly-scalable") with { PagingCacheSets = 16 },
            HardwareProfile.Named("hostile-scalable") with { IotlbSets = 64, PasidCacheSets = 64, ContextCacheSets = 16, PagingCacheSets = 64 },
            HardwareProfile.Named("hostile-scalable") with { PasidCacheSets = 0 },
            HardwareProfile.Named("hostile-scalable") with { IotlbSets = 0, PagingCacheSets = 64 },
            HardwareProfile.Named("hostile-scalable") with { ContextCacheSets = 0, IotlbSets = 1, IotlbWays = 1 }])
        {
            Property.Check(Steps().ListOf(100).Select(steps => steps.ToArray()).ToArbitrary(), steps => Run.Play(profile, steps), 8);
        }
    }

    private static Gen<Step> Steps() =>
        from kind in Gen.Frequency(
            (12, Gen.Constant(Kind.Read)), (4, Gen.Constant(Kind.Map)), (2, Gen.Constant(Kind.Swap)), (2, Gen.Constant(Kind.MovePasid)),
            (1, Gen.Constant(Kind.MoveContext)), (1, Gen.Constant(Kind.Context)), (2, Gen.Constant(Kind.PasidCache)),
            (2, Gen.Constant(Kind.Iotlb)), (2, Gen.Constant(Kind.PasidIotlb)))
        from device in Gen.Choose(0, 1)
        from pasid in Gen.Choose(0, Pasids - 1)
        from variant in Gen.Choose(0, 1)
        from page in Gen.Choose(0, Pages - 1)
        from choice in Gen.Choose(0, 5)
        select new Step(kind, device, pasid, variant, page, choice);

    private enum Kind
    {
        Read,
        Map,
        Swap,
        MovePasid,
        MoveContext,
        Context,
        PasidCache,
        Iotlb,
        PasidIotlb,
    }

    private sealed record Step(Kind Kind, int Device, int Pasid, int Variant, int Page, int Choice);

    /// <summary>The tables of one PASID in one domain, and what they said of each page since it was last invalidated.</summary>
    private sealed class Tables(PasidTableEntry entry, bool keepsFaults)
    {
        public PasidTableEntry Entry => entry;

        public ulong?[] Now { get; } = new ulong?[Pages];

        public HashSet<ulong?>[] Possible { get; } = [.. Enumerable.Range(0, Pages).Select(_ => new HashSet<ulong?> { null })];

        /// <summary>What the table says that is not in use.</summary>
        public ulong?[] Spare { get; } = new ulong?[Pages];

        /// <summary>Whether the entry that leads to the table changed since a command covered it.</summary>
        public bool IsMoved { get; set; }

        public bool IsSecondStage => entry.TranslationType == PasidTranslationType.SecondStage;

        // That nothing is there is kept of the second stage alone; but an old table may have nothing there.
        public bool MaySay(int page, ulong? answer) =>
            answer is null && !IsMoved && !(keepsFaults && IsSecondStage) ? Now[page] is null : Possible[page].Contains(answer);

        public void Say(int page, ulong? value)
        {
            Now[page] = value;
            _ = Possible[page].Add(value);
        }

        public void Settle(int page) => Possible[page] = [Now[page]];

        public void SettleAll(bool leavesOnly)
        {
            IsMoved &= leavesOnly;
            for (int page = 0; page < Pages && !IsMoved; page++)
                Settle(page);
        }
    }

    private sealed class Run : IDisposable
    {
        private readonly CacheWorld _world;
        private readonly Tables[,] _tables = new Tables[Pasids, 2];
        private readonly ulong[,] _spareTables = new ulong[Pasids, 2];
        private readonly int[,] _variant = new int[2, Pasids];
        private readonly HashSet<int>[,] _variants = new HashSet<int>[2, Pasids];
        private readonly int[] _home = new int[2];
        private readonly HashSet<int>[] _homes = [[0], [0]];

        public Run(HardwareProfile profile)
        {
            _world = new(profile);
            foreach (SourceId device in _devices)
                _world.PutContext(device, new(0));
            for (int pasid = 0; pasid < Pasids; pasid++)
            {
                for (int variant = 0; variant < 2; variant++)
                {
                    PasidTableEntry entry = _world.Entry(_types[pasid], DomainOf(pasid, variant));
                    _tables[pasid, variant] = new(entry, profile.CachesFaults);
                    _ = _world.Map(entry, Address(0), 0);
                    _world.Tables.Put(PlaceOf(entry, 0).Value, 0);
                    _spareTables[pasid, variant] = _world.Tables.NewPage();
                }

                for (int device = 0; device < 2; device++)
                {
                    _variants[device, pasid] = [0];
                    _world.PutPasid(_devices[device], new((uint)pasid), _tables[pasid, 0].Entry);
                }
            }
        }

        public void Dispose() => _world.Dispose();

        public static void Play(HardwareProfile profile, Step[] steps)
        {
            using Run run = new(profile);
            foreach (Step step in steps)
                run.Play(step);
        }

        // Second stages are of domains, so that no two PASIDs of this world share tables.
        private static ushort DomainOf(int pasid, int variant) => (ushort)(1 + (pasid == 0 ? variant : 2 + variant));

        private static ulong Address(int page) => 0x80_0000_0000 + ((ulong)page << 12);

        private PhysicalAddress PlaceOf(PasidTableEntry entry, int page) =>
            new((_world.Tables.Get(_world.PointerPlace(entry, Address(page)).Value) & ~0xFFFul) + ((Address(page) >> 12 & 0x1FF) * 8));

        private void Play(Step step)
        {
            Tables tables = _tables[step.Pasid, step.Variant];
            switch (step.Kind)
            {
                case Kind.Read:
                    Read(step.Device, step.Choice < 2 ? null : step.Pasid, step.Page);
                    return;
                case Kind.Map when step.Choice == 0:
                    _world.Tables.Put(PlaceOf(tables.Entry, step.Page).Value, 0);
                    tables.Say(step.Page, null);
                    return;
                case Kind.Map:
                    ulong page = _world.NewPage();
                    _ = _world.Map(tables.Entry, Address(step.Page), page);
                    tables.Say(step.Page, page);
                    return;
                case Kind.Swap:
                    Swap(step.Pasid, step.Variant);
                    return;
                case Kind.MovePasid:
                    _variant[step.Device, step.Pasid] = step.Variant;
                    _ = _variants[step.Device, step.Pasid].Add(step.Variant);
                    _world.PutPasid(_devices[step.Device], new((uint)step.Pasid), tables.Entry);
                    return;
                case Kind.MoveContext:
                    _home[step.Device] = step.Pasid;
                    _ = _homes[step.Device].Add(step.Pasid);
                    _world.PutContext(_devices[step.Device], new((uint)step.Pasid));
                    return;
                default:
                    Invalidate(step);
                    break;
            }

            for (int every = 0; every < 2 * Pasids * Pages; every++)
                Read(every & 1, every / 2 % Pasids, every / (2 * Pasids));
        }

        // Another table takes the place of the one that all pages are in.
        private void Swap(int pasid, int variant)
        {
            Tables tables = _tables[pasid, variant];
            PhysicalAddress pointer = _world.PointerPlace(tables.Entry, Address(0));
            ulong old = _world.Tables.Get(pointer.Value);
            _world.Tables.Put(pointer.Value, _spareTables[pasid, variant] | (old & 0xFFF));
            _spareTables[pasid, variant] = old & ~0xFFFul;
            tables.IsMoved = true;
            for (int page = 0; page < Pages; page++)
            {
                ulong? said = tables.Now[page];
                tables.Say(page, tables.Spare[page]);
                tables.Spare[page] = said;
            }
        }

        private void Read(int device, int? pasid, int page)
        {
            ulong? landed = _world.Read(_devices[device], pasid is { } given ? new((uint)given) : null, Address(page));
            IEnumerable<int> pasids = pasid is { } known ? [known] : _homes[device];
            bool explained = pasids.Any(used => _variants[device, used].Any(variant => _tables[used, variant].MaySay(page, landed)));
            Assert.True(explained, $"Page {page} of PASID {pasid} of device {device}: {landed:X} is neither old nor new.");
        }

        private void Invalidate(Step step)
        {
            ushort domain = DomainOf(step.Pasid, step.Variant);
            bool leavesOnly = step.Choice == 5;
            switch (step.Kind)
            {
                case Kind.Context:
                    ContextGranularity context = step.Choice < 3 ? ContextGranularity.Global : ContextGranularity.Device;
                    _world.World.InvalidateContext(context, 0, _devices[step.Device]);
                    for (int device = 0; device < 2; device++)
                    {
                        if (context == ContextGranularity.Global || device == step.Device)
                            _homes[device] = [_home[device]];
                    }

                    break;
                case Kind.PasidCache:
                    PasidCacheGranularity pasids = (PasidCacheGranularity)(step.Choice % 3 == 2 ? 3 : step.Choice % 3);
                    _world.World.Submit(new PasidCacheDescriptor { Type = InvalidationDescriptorType.PasidCache, Granularity = pasids, DomainId = new(domain), Pasid = new((uint)step.Pasid) }.Raw);
                    ForgetVariants((pasid, variant) => pasids == PasidCacheGranularity.Global
                        || (DomainOf(pasid, variant) == domain && (pasids == PasidCacheGranularity.Domain || pasid == step.Pasid)));
                    break;
                case Kind.Iotlb:
                    IotlbGranularity pages = (IotlbGranularity)(1 + (step.Choice % 3));
                    _world.World.Submit(new IotlbDescriptor { Type = InvalidationDescriptorType.Iotlb, Granularity = pages, DomainId = new(domain), Address = new(Address(step.Page)), Hint = leavesOnly }.Raw);
                    Settle(
                        (pasid, variant) => pages == IotlbGranularity.Global || DomainOf(pasid, variant) == domain,
                        tables => pages == IotlbGranularity.Page && tables.IsSecondStage ? step.Page : null,
                        leavesOnly && pages == IotlbGranularity.Page);
                    break;
                default:
                    PasidIotlbGranularity some = step.Choice % 2 == 0 ? PasidIotlbGranularity.Pasid : PasidIotlbGranularity.Page;
                    _world.World.Submit(new PasidIotlbDescriptor { Type = InvalidationDescriptorType.PasidIotlb, Granularity = some, DomainId = new(domain), Pasid = new((uint)step.Pasid), Address = new(Address(step.Page)), Hint = leavesOnly }.Raw);
                    Settle(
                        (pasid, variant) => pasid == step.Pasid && DomainOf(pasid, variant) == domain && !_tables[pasid, variant].IsSecondStage,
                        _ => some == PasidIotlbGranularity.Page ? step.Page : null,
                        leavesOnly && some == PasidIotlbGranularity.Page);
                    break;
            }
        }

        private void ForgetVariants(Func<int, int, bool> covered)
        {
            for (int device = 0; device < 2; device++)
            {
                for (int pasid = 0; pasid < Pasids; pasid++)
                {
                    int now = _variant[device, pasid], used = pasid;
                    _ = _variants[device, pasid].RemoveWhere(variant => variant != now && covered(used, variant));
                }
            }
        }

        private void Settle(Func<int, int, bool> covered, Func<Tables, int?> pageOf, bool leavesOnly)
        {
            for (int pasid = 0; pasid < Pasids; pasid++)
            {
                for (int variant = 0; variant < 2; variant++)
                {
                    Tables tables = _tables[pasid, variant];
                    if (!covered(pasid, variant))
                        continue;
                    if (pageOf(tables) is not { } page)
                    {
                        tables.SettleAll(leavesOnly);
                        continue;
                    }

                    // Where the pointer to the table may still be an old one, so may what it leads to.
                    tables.IsMoved &= leavesOnly;
                    if (!tables.IsMoved)
                        tables.Settle(page);
                }
            }
        }
    }
}
