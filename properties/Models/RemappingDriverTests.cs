using System.Buffers.Binary;
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class RemappingDriverTests
{
    private const ulong KiB4 = 1ul << 12;
    private const ulong MiB2 = 1ul << 21;
    private const ulong GiB1 = 1ul << 30;

    private static readonly SourceId s_device = new(0, 3, 0);
    private static readonly SourceId s_other = new(7, 31, 7);

    // Where mappings begin: the bottom, the ends of superpages, and both sides of a border of a gigabyte.
    private static readonly ulong[] s_places = [0, MiB2, MiB2 - (3 * KiB4), GiB1, GiB1 - MiB2, (3 * GiB1) - (5 * KiB4), 37 * GiB1, 255 * GiB1];
    private static readonly ulong[] s_lengths = [KiB4, 2 * KiB4, 7 * KiB4, MiB2, MiB2 + KiB4, 2 * MiB2];
    private static readonly ulong[] s_longLengths = [GiB1, GiB1 + MiB2];
    private static readonly ulong[] s_targets = [64ul << 20, (64ul << 20) + KiB4, 96ul << 20, (512ul << 20) - MiB2, GiB1 - MiB2];
    private static readonly DmaDirection[] s_directions = [DmaDirection.ToDevice, DmaDirection.FromDevice, DmaDirection.Bidirectional];

    private enum What
    {
        Map,
        Unmap,
        UnmapPart,
        UnmapLater,
        Flush,
        Touch,
        Move,
    }

    /// <summary>How a unit is driven.</summary>
    public enum Way
    {
        Registers,
        Queue,
        Scalable,
        FirstStage,
    }

    public static TheoryData<string, Way> Units()
    {
        TheoryData<string, Way> units = [];
        foreach (string name in ProfileChoice.Names)
        {
            HardwareProfile profile = HardwareProfile.Named(name);
            if (profile.Version.Major < 6)
                units.Add(name, Way.Registers);
            if (profile.ExtendedCapabilities.QueuedInvalidation)
                units.Add(name, Way.Queue);
            if (profile.ExtendedCapabilities is { QueuedInvalidation: true, ScalableMode: true, SecondStage: true })
                units.Add(name, Way.Scalable);
            if (profile.ExtendedCapabilities is { QueuedInvalidation: true, ScalableMode: true, FirstStage: true })
                units.Add(name, Way.FirstStage);
        }

        return units;
    }

    [Theory]
    [MemberData(nameof(Units))]
    public void A_device_reaches_exactly_what_is_mapped(string profile, Way way) =>
        Property.Check(Steps().ToPrograms(), program => new Run(HardwareProfile.Named(profile), way).Execute(program), 12);

    [Theory]
    [MemberData(nameof(Units))]
    public void It_never_leaves_to_a_device_what_is_stale(string profile, Way way) =>
        Property.Check(
            Steps().ToPrograms(),
            program => new Run(HardwareProfile.Named(profile) with { TracksStaleness = true, CachesFaults = true }, way).Execute(program),
            6);

    private static Gen<Step> Steps() =>
        from what in Gen.Frequency(
            (8, Gen.Constant(What.Map)), (3, Gen.Constant(What.Unmap)), (3, Gen.Constant(What.UnmapPart)), (1, Gen.Constant(What.UnmapLater)),
            (1, Gen.Constant(What.Flush)), (5, Gen.Constant(What.Touch)), (1, Gen.Constant(What.Move)))
        from place in Gen.Elements(s_places)
        from skip in Gen.Choose(0, 3)
        from length in Gen.Frequency((9, Gen.Elements(s_lengths)), (1, Gen.Elements(s_longLengths)))
        from target in Gen.Elements(s_targets)
        from direction in Gen.Elements(s_directions)
        from number in Gen.Choose(0, 1_000_000)
        select new Step(what, place + ((ulong)skip * KiB4), length, target + ((ulong)skip * KiB4), direction, number);

    private readonly record struct Step(What What, ulong Address, ulong Length, ulong Target, DmaDirection Direction, int Number);

    private readonly record struct Piece(ulong First, ulong End, ulong Target, DmaDirection Direction)
    {
        public Piece Part(ulong first, ulong end) => new(first, end, Target + (first - First), Direction);
    }

    /// <summary>One program on one machine, next to a list of what is mapped.</summary>
    private sealed class Run(HardwareProfile profile, Way way)
    {
        private readonly List<Piece> _mapped = [];

        // Unmapped in the tables, not yet for the device.
        private readonly List<Piece> _lingering = [];
        private readonly bool _isScalable = way is Way.Scalable or Way.FirstStage;
        private ulong _stamp = 0x5EED_0000_0000_0001;

        public void Execute(Step[] program)
        {
            using BareMetal machine = new(profile);
            machine.Loop.Run(() => Execute(machine, program));
            Assert.Equal(machine.Frames.FramesTotal, machine.Frames.FramesFree);
        }

        private async Task Execute(BareMetal machine, Step[] program)
        {
            RemappingDriver driver = await RemappingDriver.Start(
                machine.Cpu, new(BareMetal.UnitAddress), machine.Frames, new(FaultVector: 48)
                {
                    UseQueue = way != Way.Registers,
                    Scalable = _isScalable,
                    HostAddressWidth = profile.HostAddressWidth,
                    WindowLength = (ulong)machine.Unit!.WindowLength,
                });
            Assert.Equal(way != Way.Registers, driver.UsesQueue);
            TranslationStage stage = way == Way.FirstStage ? TranslationStage.First : TranslationStage.Second;
            RemappingDomain domain = driver.CreateDomain(stage: stage);
            RemappingDomain empty = driver.CreateDomain(stage: stage);
            Assert.Equal(stage, domain.Stage);
            int framesAtStart = driver.FramesInUse;
            Assert.Equal(DmaRefusal.None, await driver.Attach(s_device, domain));
            Assert.Equal(DmaRefusal.None, await driver.Attach(s_other, empty));
            int contextTables = driver.FramesInUse - framesAtStart;
            foreach (Step step in program)
                await Take(machine, driver, domain, step);

            foreach (Piece piece in _mapped)
                Assert.Equal(DmaRefusal.None, await domain.Unmap(new(piece.First), piece.End - piece.First));
            await domain.Flush();
            Assert.Equal(framesAtStart + contextTables, driver.FramesInUse);
            await driver.Detach(s_device);
            await driver.Detach(s_other);
            await driver.Release(domain);
            await driver.Release(empty);

            // The top tables of both domains; in scalable mode the PASID directory and table of each requester, too.
            Assert.Equal(framesAtStart + contextTables - (_isScalable ? 6 : 2), driver.FramesInUse);
            Assert.Equal(0ul, driver.QueueStops);
            await driver.Shutdown();
        }

        private async Task Take(BareMetal machine, RemappingDriver driver, RemappingDomain domain, Step step)
        {
            ulong end = step.Address + step.Length;
            switch (step.What)
            {
                case What.Map:
                    DmaRefusal expected = end > 1ul << domain.AddressBits || (step.Address <= InterruptRange.Last && InterruptRange.First < end) ? DmaRefusal.BadRange
                        : _mapped.Exists(piece => piece.First < end && step.Address < piece.End) ? DmaRefusal.StillMapped
                        : DmaRefusal.None;
                    Assert.Equal(expected, await domain.Map(new(step.Address), new(step.Target), step.Length, step.Direction));
                    if (expected != DmaRefusal.None)
                        break;
                    // The first stage has no pages that can be written and not read.
                    Piece mapped = new(step.Address, end, step.Target, step.Direction | (way == Way.FirstStage ? DmaDirection.ToDevice : 0));
                    _mapped.Add(mapped);
                    _lingering.RemoveAll(piece => piece.First < end && step.Address < piece.End);
                    CheckPageSizes(driver, domain, mapped);
                    Probe(machine, mapped, step.Number);
                    break;
                case What.Unmap when Pick(step) is { } whole:
                    Probe(machine, whole, step.Number);
                    await Unmap(domain, whole, isDeferred: false);
                    ProbeRefused(machine, driver, whole, step.Number);
                    break;
                case What.UnmapPart when Pick(step) is { } whole:
                    Piece part = PartOf(whole, step.Number);
                    Probe(machine, whole, step.Number);
                    await Unmap(domain, part, isDeferred: false);
                    ProbeRefused(machine, driver, part, step.Number);
                    break;
                case What.UnmapLater when Pick(step) is { } whole:
                    Probe(machine, whole, step.Number);
                    await Unmap(domain, whole, isDeferred: true);
                    _lingering.Add(whole);
                    break;
                case What.Flush:
                    await domain.Flush();
                    foreach (Piece gone in _lingering)
                        ProbeRefused(machine, driver, gone, step.Number);
                    _lingering.Clear();
                    break;
                case What.Touch:
                    Assert.Equal(IsMapped(step.Address), domain.TryFind(new(step.Address), out _));
                    if (!IsMapped(step.Address) && !_lingering.Exists(piece => piece.First <= step.Address && step.Address < piece.End))
                        ProbeRefused(machine, driver, new(step.Address, step.Address + KiB4, 0, 0), step.Number);
                    Assert.Equal(DmaStatus.Blocked, machine.Unit!.Open(s_other).Read(new(step.Address), new byte[8]));
                    driver.DrainFaults();
                    break;
                case What.Move:
                    // Away and back: what it could reach before is out of reach in between.
                    await driver.Detach(s_device);
                    foreach (Piece piece in _mapped)
                        ProbeRefused(machine, driver, piece, step.Number);
                    await driver.Attach(s_device, domain);
                    foreach (Piece piece in _mapped)
                        Probe(machine, piece, step.Number);
                    break;
                default:
                    break;
            }

            Assert.Equal(DmaRefusal.NotMapped, await domain.Unmap(new(200 * GiB1), KiB4));

            // As long as an unmapping is put off, tables above it may be stale for its neighbours too: it is owed on purpose.
            if (_lingering.Count != 0)
                machine.StaleUses.Clear();
            Assert.Empty(machine.StaleUses);
        }

        private async Task Unmap(RemappingDomain domain, Piece gone, bool isDeferred)
        {
            ulong length = gone.End - gone.First;
            Assert.Equal(DmaRefusal.None, isDeferred ? await domain.UnmapDeferred(new(gone.First), length) : await domain.Unmap(new(gone.First), length));
            Assert.Equal(DmaRefusal.NotMapped, await domain.Unmap(new(gone.First), length));
            Piece whole = _mapped.Find(piece => piece.First <= gone.First && gone.End <= piece.End);
            _mapped.Remove(whole);
            if (whole.First < gone.First)
                _mapped.Add(whole.Part(whole.First, gone.First));
            if (gone.End < whole.End)
                _mapped.Add(whole.Part(gone.End, whole.End));
        }

        private bool IsMapped(ulong address) => _mapped.Exists(piece => piece.First <= address && address < piece.End);

        private Piece? Pick(Step step) => _mapped.Count == 0 ? null : _mapped[step.Number % _mapped.Count];

        private static Piece PartOf(Piece whole, int number)
        {
            ulong pages = (whole.End - whole.First) / KiB4;
            ulong first = (ulong)number % pages;
            ulong count = 1 + ((ulong)number / 7 % (pages - first));
            return whole.Part(whole.First + (first * KiB4), whole.First + ((first + count) * KiB4));
        }

        // Each page is the largest that alignment and the unit allow.
        private void CheckPageSizes(RemappingDriver driver, RemappingDomain domain, Piece piece)
        {
            bool has2M = way == Way.FirstStage || driver.Capabilities.SecondStage2M;
            bool has1G = way == Way.FirstStage ? driver.Capabilities.FirstStage1G : driver.Capabilities.SecondStage1G;
            foreach (ulong address in PlacesIn(piece, 0x1234_5678))
            {
                Assert.True(domain.TryFind(new(address), out RemappingLeaf leaf));
                Assert.Equal(piece.Target + (address - piece.First), leaf.Target.Value);
                Assert.Equal(piece.Direction, leaf.Direction);
                ulong size = Fits(GiB1) && has1G ? GiB1 : Fits(MiB2) && has2M ? MiB2 : KiB4;
                Assert.Equal(size, leaf.PageSize);

                bool Fits(ulong bytes)
                {
                    ulong start = address - (address % bytes);
                    return start >= piece.First && start + bytes <= piece.End && (piece.Target - piece.First) % bytes == 0;
                }
            }
        }

        private void Probe(BareMetal machine, Piece piece, int number)
        {
            RemappedPort port = machine.Unit!.Open(s_device);
            Span<byte> bytes = stackalloc byte[8];
            Span<byte> found = stackalloc byte[8];
            foreach (ulong address in PlacesIn(piece, number))
            {
                PhysicalAddress target = new(piece.Target + (address - piece.First));
                BinaryPrimitives.WriteUInt64LittleEndian(bytes, _stamp++);
                bool mayWrite = piece.Direction.HasFlag(DmaDirection.FromDevice);
                Assert.Equal(mayWrite ? DmaStatus.Success : DmaStatus.Blocked, port.Write(new(address), bytes));
                Assert.True(machine.Memory.TryRead(target, found));
                Assert.Equal(mayWrite, bytes.SequenceEqual(found));

                Assert.True(machine.Memory.TryWrite(target, bytes));
                bool mayRead = piece.Direction.HasFlag(DmaDirection.ToDevice);
                found.Clear();
                Assert.Equal(mayRead ? DmaStatus.Success : DmaStatus.Blocked, port.Read(new(address), found));
                Assert.Equal(mayRead, bytes.SequenceEqual(found));
            }
        }

        private void ProbeRefused(BareMetal machine, RemappingDriver driver, Piece piece, int number)
        {
            RemappedPort port = machine.Unit!.Open(s_device);
            Span<byte> bytes = stackalloc byte[8];
            foreach (ulong address in PlacesIn(piece, number))
            {
                driver.DrainFaults();
                Assert.Equal(DmaStatus.Blocked, port.Read(new(address), bytes));
                FaultReport report = Assert.Single(driver.DrainFaults());
                Assert.Equal((s_device, new Iova(address - (address % KiB4)), false), (report.Source, report.Address, report.Write));
                Assert.Equal(DmaStatus.Blocked, port.Write(new(address), bytes));
                report = Assert.Single(driver.DrainFaults());
                Assert.Equal((s_device, new Iova(address - (address % KiB4)), true), (report.Source, report.Address, report.Write));
            }
        }

        // Both ends, both sides of the superpage borders inside, and some place.
        private static IEnumerable<ulong> PlacesIn(Piece piece, int number)
        {
            ulong length = piece.End - piece.First;
            yield return piece.First;
            yield return piece.End - 8;
            yield return piece.First + ((ulong)number * 8 % length & ~7ul);
            ulong border = (piece.First + MiB2) & ~(MiB2 - 1);
            if (border < piece.End && border > piece.First)
            {
                yield return border;
                yield return border - 8;
            }
        }
    }
}
