using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>
/// What caches may answer: between a change of tables and the invalidation that the architecture asks for, the old
/// answer or the new one and no third; after it, the new one alone.
/// </summary>
public sealed class IotlbModelTests
{
    private const int Devices = 4;
    private const int Domains = 3;
    private const int Pages = 10;

    public static TheoryData<string> Profiles => [.. ProfileChoice.Names];

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_cached_answer_is_old_or_new_until_the_invalidation_and_new_after_it(string profile) =>
        Property.Check(Steps().ListOf(120).Select(steps => steps.ToArray()).ToArbitrary(), steps => _ = Run.Play(HardwareProfile.Named(profile), steps), 25, profile);

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_unit_that_tracks_what_is_stale_answers_the_same_and_leaves_no_wrong_answer_untold(string profile) =>
        Property.Check(
            Steps().ListOf(120).Select(steps => steps.ToArray()).ToArbitrary(),
            steps => Assert.Equal(
                Run.Play(HardwareProfile.Named(profile) with { TracksStaleness = false }, steps),
                Run.Play(HardwareProfile.Named(profile) with { TracksStaleness = true }, steps)),
            10,
            profile);

    [Fact]
    public void A_unit_that_caches_next_to_nothing_obeys_the_same_law()
    {
        foreach (HardwareProfile profile in (HardwareProfile[])[
            HardwareProfile.Named("hostile") with { IotlbSets = 1, IotlbWays = 1 },
            HardwareProfile.Named("friendly") with { IotlbSets = 0, IotlbWays = 0 },
            HardwareProfile.Named("friendly") with { ContextCacheSets = 0, ContextCacheWays = 0 },
            HardwareProfile.Named("friendly") with { ContextCacheSets = 1, ContextCacheWays = 1 }])
        {
            Property.Check(Steps().ListOf(120).Select(steps => steps.ToArray()).ToArbitrary(), steps => _ = Run.Play(profile, steps), 15);
        }
    }

    [Fact]
    public void The_hostile_unit_does_answer_from_what_is_no_longer_there()
    {
        using RemappingWorld world = new("hostile");
        PhysicalAddress top = world.Frame();
        world.PutContext(RemappingWorld.Device, world.Context(top));
        PhysicalAddress leaf = world.Map(top, AddressWidth.Bits48, 0x5000, RemappingWorld.Page(0x10_0000));
        world.Map(top, AddressWidth.Bits48, 0x6000, RemappingWorld.Page(0x11_0000));
        _ = world.Enable();
        Assert.True(world.Port.TryTranslate(new(0x5000), true, out _));
        Assert.False(world.Port.TryTranslate(new(0x9000), true, out _));

        // The page that was used, its neighbour that was only fetched ahead, and the one that was not there.
        world.Put(leaf, 0);
        world.Put(leaf + 8, 0);
        world.Put(leaf + 32, RemappingWorld.Page(0x12_0000).Raw.Value);
        Assert.True(world.Port.TryTranslate(new(0x5000), true, out _));
        Assert.True(world.Port.TryTranslate(new(0x6000), true, out _));
        Assert.False(world.Port.TryTranslate(new(0x9000), true, out _));
        world.InvalidateIotlb(IotlbGranularity.Domain, 1);
        Assert.False(world.Port.TryTranslate(new(0x5000), true, out _));
        Assert.False(world.Port.TryTranslate(new(0x6000), true, out _));
        Assert.True(world.Port.TryTranslate(new(0x9000), true, out _));
    }

    [Fact]
    public void A_page_in_a_superpage_goes_with_the_superpage()
    {
        using RemappingWorld world = new("friendly");
        PhysicalAddress top = world.Frame();
        world.PutContext(RemappingWorld.Device, world.Context(top));
        PhysicalAddress leaf = world.Map(top, AddressWidth.Bits57, 0x20_0000, RemappingWorld.Page(0x40_0000) with { PageSize = true }, 2);
        _ = world.Enable();
        for (ulong page = 0; page < 512; page++)
            Assert.True(world.Port.TryTranslate(new(0x20_0000 + (page << 12)), true, out _));
        Assert.Equal(1ul, world.Unit.Statistics.Walks);
        world.Put(leaf, 0);
        Assert.True(world.Port.TryTranslate(new(0x20_3000), true, out _));
        world.InvalidateIotlb(IotlbGranularity.Page, 1, 0x3F_F000);
        Assert.False(world.Port.TryTranslate(new(0x20_3000), true, out _));
    }

    [Fact]
    public void Domains_can_be_invalidated_more_often_than_tags_have_numbers()
    {
        using RemappingWorld world = new("friendly");
        PhysicalAddress top = world.Frame(), other = world.Frame();
        world.PutContext(RemappingWorld.Device, world.Context(top));
        SourceId neighbour = new(0, 5, 0);
        world.PutContext(neighbour, world.Context(other, 2));
        PhysicalAddress leaf = world.Map(top, AddressWidth.Bits57, 0x5000, RemappingWorld.Page(0));
        world.Map(other, AddressWidth.Bits57, 0x5000, RemappingWorld.Page(0x77_0000));
        _ = world.Enable();
        for (ulong round = 1; round < 140_000; round++)
        {
            world.Put(leaf, RemappingWorld.Page(round << 12).Raw.Value);
            if (round != 1)
                world.Submit(new IotlbDescriptor { Type = InvalidationDescriptorType.Iotlb, Granularity = IotlbGranularity.Domain, DomainId = new(1) }.Raw);
            Assert.True(world.Port.TryTranslate(new(0x5000), true, out PhysicalAddress target));
            Assert.Equal(round << 12, target.Value);
            Assert.True(world.Unit.Open(neighbour).TryTranslate(new(0x5000), true, out target));
            Assert.Equal(0x77_0000ul, target.Value);
        }
    }

    private static Gen<Step> Steps() =>
        from kind in Gen.Frequency(
            (12, Gen.Constant(Kind.Access)), (4, Gen.Constant(Kind.Change)), (3, Gen.Constant(Kind.InvalidatePage)),
            (1, Gen.Constant(Kind.InvalidateDomain)), (1, Gen.Constant(Kind.InvalidateAll)), (1, Gen.Constant(Kind.MoveDevice)),
            (1, Gen.Constant(Kind.InvalidateDevice)), (1, Gen.Constant(Kind.Toggle)))
        from device in Gen.Choose(0, Devices - 1)
        from domain in Gen.Choose(0, Domains - 1)
        from page in Gen.Choose(0, Pages - 1)
        from value in Gen.Choose(0, 11)
        select new Step(kind, device, domain, page, value);

    private enum Kind
    {
        Access,
        Change,
        InvalidatePage,
        InvalidateDomain,
        InvalidateAll,
        MoveDevice,
        InvalidateDevice,
        Toggle,
    }

    private sealed record Step(Kind Kind, int Device, int Domain, int Page, int Value);

    /// <summary>
    /// The model keeps, for each page of each domain, what the tables said at any time since the page was last
    /// invalidated; and for each device the domains that its context named since it was last invalidated.
    /// </summary>
    private sealed class Run : IDisposable
    {
        private readonly RemappingWorld _world;
        private readonly PhysicalAddress[] _tops = new PhysicalAddress[Domains];
        private readonly ulong[,] _now = new ulong[Domains, Pages];
        private readonly HashSet<ulong>[,] _possible = new HashSet<ulong>[Domains, Pages];
        private readonly int[] _home = new int[Devices];
        private readonly HashSet<int>[] _homes = new HashSet<int>[Devices];
        private readonly AddressWidth _width;
        private readonly List<ulong?> _answers = [];

        public Run(HardwareProfile profile)
        {
            _world = new(profile);
            _width = RemappingWorld.Widest(profile);
            for (int domain = 0; domain < Domains; domain++)
            {
                _tops[domain] = _world.Frame();
                for (int page = 0; page < Pages; page++)
                    _possible[domain, page] = [0];
            }

            for (int device = 0; device < Devices; device++)
            {
                _homes[device] = [0];
                Move(device, device % Domains);
                _homes[device] = [_home[device]];
            }

            _ = _world.Enable();
        }

        public void Dispose() => _world.Dispose();

        /// <summary>Where each access landed; null where it was refused.</summary>
        public static List<ulong?> Play(HardwareProfile profile, Step[] steps)
        {
            using Run run = new(profile);
            foreach (Step step in steps)
                run.Play(step);
            return run._answers;
        }

        private static SourceId Source(int device) => new(0, 3, _functions[device]);

        private static readonly int[] _functions = [0, 1, 4, 6];

        // Pages lie together, and a few far away, so that sets of any geometry see neighbours and collisions.
        private static ulong Address(int page) => page < 7 ? (ulong)page << 12 : (ulong)(page - 6) << 21;

        private void Play(Step step)
        {
            switch (step.Kind)
            {
                case Kind.Access:
                    Access(step.Device, step.Page, (step.Value & 1) != 0);
                    break;
                case Kind.Change:
                    Change(step.Domain, step.Page, step.Value);
                    break;
                case Kind.InvalidatePage:
                    int mask = step.Value % 4;
                    if (mask > _world.Profile.Capabilities.MaximumAddressMask)
                        mask = 0;
                    _world.InvalidateIotlb(IotlbGranularity.Page, Tag(step.Domain), Address(step.Page), mask);
                    Settle(step.Domain, page => Address(page) >> 12 >> mask == Address(step.Page) >> 12 >> mask);
                    break;
                case Kind.InvalidateDomain:
                    _world.InvalidateIotlb(IotlbGranularity.Domain, Tag(step.Domain));
                    Settle(step.Domain, _ => true);
                    break;
                case Kind.InvalidateAll:
                    _world.InvalidateContext(ContextGranularity.Global);
                    _world.InvalidateIotlb(IotlbGranularity.Global);
                    for (int device = 0; device < Devices; device++)
                        _homes[device] = [_home[device]];
                    for (int domain = 0; domain < Domains; domain++)
                        Settle(domain, _ => true);
                    break;
                case Kind.MoveDevice:
                    Move(step.Device, step.Domain);
                    break;
                case Kind.InvalidateDevice:
                    InvalidateDevice(step.Device, step.Value % 4);
                    break;
                default:
                    GlobalStatus status = _world.GlobalStatus;
                    _world.Command(new() { QueuedInvalidationEnable = status.QueuedInvalidationEnabled });
                    _world.Command(new() { QueuedInvalidationEnable = status.QueuedInvalidationEnabled, TranslationEnable = true });
                    break;
            }
        }

        // Software names each domain that the contexts had since it last did this.
        private void InvalidateDevice(int chosen, int functionMask)
        {
            int ignored = functionMask switch { 0 => 0b000, 1 => 0b100, 2 => 0b110, _ => 0b111 };
            int[] covered = [.. Enumerable.Range(0, Devices).Where(device => (_functions[device] & ~ignored) == (_functions[chosen] & ~ignored))];
            foreach (int domain in covered.SelectMany(device => _homes[device]).Distinct())
                _world.InvalidateContext(ContextGranularity.Device, Tag(domain), Source(chosen), functionMask);
            foreach (int device in covered)
            {
                _homes[device] = [_home[device]];
                LookEverywhere(device);
            }
        }

        private void LookEverywhere(int device)
        {
            for (int page = 0; page < Pages; page++)
                Access(device, page, (page & 1) != 0);
        }

        private static ushort Tag(int domain) => (ushort)(domain + 1);

        private void Access(int device, int page, bool write)
        {
            RemappedPort port = _world.Unit.Open(Source(device));
            bool passes = port.TryTranslate(new(Address(page) + 0x123), write, out PhysicalAddress target);
            ulong right = write ? 2ul : 1;
            bool explained = false;
            foreach (int domain in _homes[device])
            {
                foreach (ulong answer in _possible[domain, page])
                {
                    // Without caching mode an entry that permits nothing is not cached: it counts only while it is there.
                    bool mayBeSaid = answer != 0 || answer == _now[domain, page] || _world.Profile.CachesFaults;
                    bool grants = (answer & right) != 0;
                    explained |= mayBeSaid && grants == passes && (!passes || (answer & ~3ul) == target.Value - 0x123);
                }
            }

            Assert.True(explained, $"Page {page} of device {device}: {(passes ? target.ToString() : "refused")} is neither old nor new.");
            _answers.Add(passes ? target.Value : null);
            if (_world.Profile.TracksStaleness)
                AssertTold(device, page, write, passes, target);
        }

        // An answer that tables do not give was told, for the device or for its page. A refusal that is out of date
        // is told with caching mode alone: without it, software owes nothing for a right that was added.
        private void AssertTold(int device, int page, bool write, bool passes, PhysicalAddress target)
        {
            WalkTranscript now = _world.Unit.Explain(Source(device), new(Address(page) + 0x123), write);
            if (now.Passes == passes && (!passes || now.Target == target))
                return;
            Assert.True(
                (!passes && !_world.Profile.Capabilities.CachingMode)
                || _world.StaleUses.Exists(use => use.Source == Source(device) && (use.Cache == CacheKind.Context || use.Address.Value >> 12 == Address(page) >> 12)),
                $"Page {page} of device {device} was answered as tables no longer say, and nobody was told.");
        }

        private void Change(int domain, int page, int value)
        {
            ulong leaf = value < 3 ? 0 : 0x10_0000 + ((ulong)domain << 18) + ((ulong)value << 12) + (ulong)(1 + (value % 3));
            _world.Put(_world.EntryPlace(_tops[domain], _width, Address(page), 1), leaf);
            _now[domain, page] = leaf;
            _ = _possible[domain, page].Add(leaf);
        }

        private void Move(int device, int domain)
        {
            _world.PutContext(Source(device), _world.Context(_tops[domain], Tag(domain)));
            _home[device] = domain;
            _ = _homes[device].Add(domain);
        }

        private void Settle(int domain, Func<int, bool> covered)
        {
            for (int page = 0; page < Pages; page++)
            {
                if (covered(page))
                    _possible[domain, page] = [_now[domain, page]];
            }

            for (int device = 0; device < Devices; device++)
                LookEverywhere(device);
        }
    }
}
