using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Requests that are on their way at the same time: maps, unmaps, take-backs and the end of the machine, with the device at work between.</summary>
public sealed class OverlappingRequestsTests
{
    private const ulong PageSize = 4096;
    private const ulong GuestBytes = 8 * PageSize;

    // Long enough for requests to overlap, short enough that some do not; a reset takes much longer.
    private const int LatestNs = 60_000;

    private enum What
    {
        Map,
        Unmap,
        Write,
        TakeBack,
        Assign,
        End,
    }

    private enum Stage
    {
        Asked,
        Live,
        Leaving,
        Gone,
    }

    public static TheoryData<string> Profiles => ["friendly", "hostile", "minimal"];

    private static Gen<Step> Steps =>
        from what in Gen.Frequency(
            (6, Gen.Constant(What.Map)), (5, Gen.Constant(What.Unmap)), (12, Gen.Constant(What.Write)), (1, Gen.Constant(What.TakeBack)),
            (1, Gen.Constant(What.Assign)), (1, Gen.Constant(What.End)))
        from at in Gen.Choose(0, LatestNs)
        from number in Gen.Choose(0, 40)
        select new Step(what, at, number);

    [Theory]
    [MemberData(nameof(Profiles))]
    public void Whatever_overlaps_a_mapping_works_from_answer_to_request_and_never_after_its_end(string profile) =>
        Property.Check(Generate.Program(Steps, 60), program => Run(profile, program), 60);

    private static void Run(string profile, Step[] program)
    {
        using World world = new(HardwareProfile.Named(profile));
        world.Run(program);
    }

    private sealed record Step(What What, int AtNs, int Number)
    {
        public override string ToString() => $"at {AtNs} ns: {What} {Number}";
    }

    private sealed class Mapping(ulong page)
    {
        public ulong Page => page;

        public ulong Device { get; set; }

        public Stage Stage { get; set; }
    }

    private sealed class World : IDisposable
    {
        private static readonly SourceId _place = new(0, 1, 0);

        private readonly Host _host;
        private readonly DmaDevice _device = new();
        private readonly VirtualMachine _guest;
        private readonly VirtualMachine _other;
        private readonly Assignment _assignment;
        private readonly List<Mapping> _mappings = [];
        private bool _isSettled = true;

        public World(HardwareProfile profile)
        {
            _host = new(new() { MemoryBytes = 4 << 20, VmmBytes = 2 << 20, Profile = profile });
            _host.Pci.Add(_device, 3);
            _host.Boot();
            _guest = _host.CreateMachine("guest", GuestBytes);
            _other = _host.CreateMachine("other", GuestBytes);
            Assert.True(_other.Cpu.TryWrite(new(0), Enumerable.Repeat((byte)0x77, (int)GuestBytes).ToArray()));
            _assignment = _host.AssignmentOf(_device.Source);
            Assert.True(_host.Loop.Run(() => _assignment.Assign(_guest, _place).AsTask()).IsDone);
            SetMaster();
        }

        public void Dispose() => _host.Dispose();

        public void Run(Step[] program)
        {
            MemorySnapshot other = new(_host.Memory, _other.Memory.Blocks.Select(block => (block.Host, block.Size.Bytes)));
            _host.Loop.Run(() => Task.WhenAll(program.Select(Take)));
            Assert.Equal(0ul, other.CountChangedBytes(_host.Memory));

            // Everything is over: what is live works, and all of it can be given back.
            foreach (Mapping mapping in _mappings)
                Write(mapping, new Step(What.Write, 0, 1));
            _host.Loop.Run(async () =>
            {
                await _host.Destroy(_guest);
                await _host.Destroy(_other);
            });
            Assert.Equal(0ul, _host.Frames.Pins);
            Assert.Equal(((4ul << 20) - (2ul << 20)) / PageSize, _host.Frames.CountOf(FrameOwner.Free));
            Assert.Equal(AssignmentState.Host, _assignment.State);
            Assert.False(_host.Unit.Explain(_device.Source, new(DmaMappings.WindowStart), write: true).Passes);
        }

        private async Task Take(Step step)
        {
            await _host.Loop.Delay((ulong)step.AtNs);
            switch (step.What)
            {
                case What.Map:
                    Mapping mapping = new((ulong)(step.Number % 8));
                    HypercallResult mapped = await _guest.Cpu.Call(Hypercall.MapDma, _place.Value, mapping.Page * PageSize, PageSize, 3);
                    if (mapped.Refusal != DmaRefusal.None)
                        break;
                    mapping.Device = mapped.Value;
                    mapping.Stage = Stage.Live;
                    _mappings.Add(mapping);
                    break;
                case What.Unmap when Find(step.Number, Stage.Live) is { } leaving:
                    leaving.Stage = Stage.Leaving;
                    HypercallResult unmapped = await _guest.Cpu.Call(Hypercall.UnmapDma, _place.Value, leaving.Device, PageSize);
                    Assert.True(unmapped.Refusal == DmaRefusal.None || !_isSettled, $"{unmapped.Refusal}");
                    leaving.Stage = Stage.Gone;
                    break;
                case What.Write when Find(step.Number, null) is { } target:
                    Write(target, step);
                    break;
                case What.TakeBack:
                    _isSettled = false;
                    _ = await _assignment.TakeBack();
                    break;
                case What.Assign:
                    _isSettled = false;
                    if ((await _assignment.Assign(_guest, _place)).IsDone)
                        SetMaster();
                    break;
                case What.End:
                    _isSettled = false;
                    await _host.Destroy(_guest);
                    break;
            }
        }

        private void SetMaster() => _guest.Pci.WriteConfiguration(_place, PciOffset.Command, 2, (uint)PciCommand.BusMaster);

        private Mapping? Find(int number, Stage? stage)
        {
            Mapping[] found = [.. _mappings.Where(mapping => stage is null || mapping.Stage == stage)];
            return found.Length == 0 ? null : found[number % found.Length];
        }

        private void Write(Mapping mapping, Step step)
        {
            DmaStatus status = _device.Write(mapping.Device, [(byte)step.Number]);

            // Another mapping may have its address by now.
            bool mayWork = _mappings.Exists(other => other.Device == mapping.Device && other.Stage is Stage.Live or Stage.Leaving)
                || _assignment.Mappings?.All.Any(live => live.Device.Value == mapping.Device) == true;
            if (status == DmaStatus.Success)
                Assert.True(mayWork, $"{step} succeeds through a mapping that is {mapping.Stage}.");
            else
                Assert.False(_isSettled && mapping.Stage == Stage.Live, $"{step} is refused as {status} through a mapping that is live.");
        }
    }
}
