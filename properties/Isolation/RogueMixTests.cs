using Dma.Devices;
using Dma.Hal;
using Dma.Iommu;
using Dma.Lab;
using Dma.Machine;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>All rogue devices together, in any order: with the protections on, none of them reaches what is not its own.</summary>
public sealed class RogueMixTests
{
    private const ulong MiB = 1 << 20;

    public static TheoryData<string> Profiles =>
    [
        .. ProfileChoice.Names.Where(name => HardwareProfile.Named(name).ExtendedCapabilities is
            { InterruptRemapping: true, QueuedInvalidation: true, DeviceTlb: true }),
    ];

    public static TheoryData<int> Trials => [.. Enumerable.Range(0, RogueTrials.All.Count)];

    private enum What
    {
        Prepare,
        Misbehave,
        TakeBack,
        Map,
        Wait,
    }

    private static Gen<(What What, int Rogue, int Page)> Steps =>
        from what in Gen.Elements(What.Prepare, What.Misbehave, What.Misbehave, What.TakeBack, What.Map, What.Wait)
        from rogue in Gen.Choose(0, Rogues.All.Count - 1)
        from page in Gen.Choose(0, 15)
        select (what, rogue, page);

    [Theory]
    [MemberData(nameof(Trials))]
    public void A_protection_that_is_on_contains_its_rogue_and_one_that_is_off_does_not(int number)
    {
        (Func<EventLoop, RogueDevice> make, string protection, bool isOn, RogueDefences defences) = RogueTrials.All[number];
        using RogueMachine machine = new(make, defences);
        RogueResult result = machine.Try(protection, isOn);

        // Nothing is behind the interrupt range: to read it is refused, with a record or without.
        bool isHarmless = make(new()) is InterruptRangeReader;
        Assert.Equal(isOn || isHarmless, result.IsContained);
        if (isOn && result.Status is DmaStatus.Blocked or DmaStatus.AccessViolation)
            Assert.NotEmpty(result.Records);
    }

    [Theory]
    [MemberData(nameof(Profiles))]
    public void Rogues_in_any_order_change_nothing_that_is_not_their_own_and_refusals_are_recorded(string profile) =>
        Property.Check(
            Generate.Program(Steps, 40),
            program =>
            {
                using World world = new(HardwareProfile.Named(profile));
                world.Host.Loop.Run(() => world.Play(program));
            },
            count: 12);

    /// <summary>A VM with all rogues, each behind a port of its own, and its neighbour.</summary>
    private sealed class World : IDisposable
    {
        private static readonly SourceId s_neighbour = new(0, 20, 0);

        private readonly RogueDevice[] _rogues;
        private readonly PciBridge[] _ports;
        private readonly Iova?[] _buffers;
        private VirtualMachine? _first;
        private VirtualMachine? _second;

        public World(HardwareProfile profile)
        {
            Host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = 8 * MiB, Profile = profile });
            _rogues = [.. Rogues.All.Select(make => make(Host.Loop))];
            _ports = [.. _rogues.Select(_ => new PciBridge(0x8086, 0x3420, accessControls: AccessControls.Usual))];
            _buffers = new Iova?[_rogues.Length];
            for (int number = 0; number < _rogues.Length; number++)
            {
                _ports[number].Secondary.Add(_rogues[number], device: 0);
                Host.Pci.Add(_ports[number], device: 1 + number);
            }

            Host.Pci.Add(new DmaDevice(), s_neighbour.Device);
            Host.Boot();
        }

        public Host Host { get; }

        public void Dispose() => Host.Dispose();

        public async Task Play(IReadOnlyList<(What What, int Rogue, int Page)> program)
        {
            _first = Host.CreateMachine("VM 1", 4 * MiB);
            _second = Host.CreateMachine("VM 2", 4 * MiB);
            byte[] pattern = new byte[4 * MiB];
            new Random(1).NextBytes(pattern);
            Assert.True(_second.Cpu.TryWrite(new(0), pattern));
            Iova theirs = await Open(s_neighbour, _second, place: 4, page: 1);
            for (int number = 0; number < _rogues.Length; number++)
                _buffers[number] = await Open(_rogues[number].Source, _first, place: 4 + number, page: 16 + number);

            foreach ((What what, int rogue, int page) in program)
            {
                PhysicalAddress memory = _second.Memory.Tables.Walk(new((ulong)page << 12), EptRights.Read).Address;
                RogueTarget target = new(_buffers[rogue] ?? new(0x8000_0000), theirs, memory, s_neighbour, MessageInterrupt.To(1, 32));
                await Step(what, rogue, target);
            }

            await Host.Cpu.Processor.Delay(20_000_000);
            Assert.Equal(0ul, Host.AssignmentOf(s_neighbour).InterruptsForwarded);
            Assert.Equal(0ul, Host.Interrupts.Unclaimed);
        }

        private async ValueTask Step(What what, int number, RogueTarget target)
        {
            RogueDevice rogue = _rogues[number];
            switch (what)
            {
                case What.Prepare:
                    rogue.Prepare(target);
                    break;
                case What.Misbehave:
                    Misbehave(number, target);
                    break;
                case What.TakeBack when _buffers[number] is { } buffer:
                    Assert.Equal(DmaRefusal.None, (await _first!.Cpu.Call(Hypercall.UnmapDma, Place(4 + number).Value, buffer.Value, 4096)).Refusal);
                    _buffers[number] = null;
                    break;
                case What.Map when _buffers[number] is null:
                    _buffers[number] = await Map(_first!, 4 + number, 16 + number);
                    break;
                default:
                    await Host.Cpu.Processor.Delay(10_000);
                    break;
            }
        }

        private void Misbehave(int number, RogueTarget target)
        {
            IsolationWatch watch = new(Host);
            watch.Begin(_first!, _buffers.Select((buffer, at) => (buffer, at)).Where(taken => taken.buffer is null).Select(taken => FrameOf(16 + taken.at)));
            ulong faults = Host.Unit.Statistics.Faults;
            DmaStatus status = _rogues[number].Misbehave(target);
            Assert.Equal(0ul, watch.End());
            Assert.All(_rogues[number].Loot, value => Assert.Equal(0, value));
            if (status == DmaStatus.Blocked)
                Assert.True(Host.Unit.Statistics.Faults > faults, $"It {_rogues[number].Habit}, and no fault was detected.");
            if (status == DmaStatus.AccessViolation)
                Assert.NotEqual(0, Host.Configuration.Open(_ports[number].Source).Read16(_ports[number].Express!.Offset + 0x0A) & 0xF);
        }

        private async ValueTask<Iova> Open(SourceId device, VirtualMachine machine, int place, int page)
        {
            Assert.Equal(AssignmentResult.Done, await Host.AssignmentOf(device).Assign(machine, Place(place)));
            IdentityDmaSpace memory = new(machine.Cpu, new(new(MiB), MiB));
            _ = PciDevice.Open(machine.Cpu, new PciConfigurationPorts(machine.Cpu), Place(place), memory, (byte)(0x40 + place));
            return await Map(machine, place, page);
        }

        private static async ValueTask<Iova> Map(VirtualMachine machine, int place, int page)
        {
            HypercallResult mapped = await machine.Cpu.Call(Hypercall.MapDma, Place(place).Value, (ulong)page << 12, 4096, (ulong)DmaDirection.Bidirectional);
            Assert.Equal(DmaRefusal.None, mapped.Refusal);
            return new(mapped.Value);
        }

        private PhysicalAddress FrameOf(int page) => _first!.Memory.Tables.Walk(new((ulong)page << 12), EptRights.Read).Address;

        private static SourceId Place(int device) => new(0, device, 0);
    }
}
