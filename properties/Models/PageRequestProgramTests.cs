using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Devices that ask in any order, in floods, under PASIDs that nobody has, while bindings come and go: each group is answered once.</summary>
public sealed class PageRequestProgramTests
{
    private const int Devices = 3;
    private const int Settle = 400;

    private enum What
    {
        Ask,
        AskMore,
        StopMarker,
        Flood,
        Bind,
        Unbind,
        Wait,
        Spoil,
    }

    public static TheoryData<string> Units => ["friendly-scalable", "hostile-scalable"];

    [Theory]
    [MemberData(nameof(Units))]
    public void Each_group_is_answered_exactly_once(string profile) =>
        Property.Check(Programs(spoils: false), program => Execute(profile, spoils: false, program), 1700);

    [Theory]
    [MemberData(nameof(Units))]
    public void A_spoilt_queue_makes_no_software_fail_and_changes_no_other_memory(string profile) =>
        Property.Check(Programs(spoils: true), program => Execute(profile, spoils: true, program), 300);

    private static void Execute(string profile, bool spoils, Step[] program)
    {
        using Run run = new(HardwareProfile.Named(profile), spoils);
        run.Execute(program);
    }

    private static Gen<Step[]> Programs(bool spoils) =>
        (from what in Gen.Frequency(
            (8, Gen.Constant(What.Ask)), (4, Gen.Constant(What.AskMore)), (1, Gen.Constant(What.StopMarker)), (1, Gen.Constant(What.Flood)),
            (2, Gen.Constant(What.Bind)), (2, Gen.Constant(What.Unbind)), (4, Gen.Constant(What.Wait)), (spoils ? 4 : 0, Gen.Constant(What.Spoil)))
         from device in Gen.Choose(0, Devices - 1)
         from pasid in Gen.Choose(0, 3)
         from number in Gen.Choose(0, int.MaxValue - 1)
         select new Step(what, device, pasid, number)).ArrayOf(16);

    private readonly record struct Step(What What, int Device, int Pasid, int Number);

    /// <summary>One program on one machine: devices 0 and 1 are attached, device 2 is a requester that nobody knows.</summary>
    private sealed class Run(HardwareProfile profile, bool spoils) : IPageSupplier, IDisposable
    {
        private readonly Recorder[] _devices = [new(), new(), new()];
        private readonly Dictionary<(int Device, uint Pasid), ProcessBinding> _bindings = [];
        private readonly List<(int Device, uint? Pasid, int Group)> _asked = [];
        private readonly List<Task> _pending = [];
        private readonly BareMetal _machine = new(profile, 64 << 20);
        private RemappingDriver _driver = null!;
        private int _group;

        public void Execute(Step[] program)
        {
            _machine.Loop.Run(() => Execute(_machine, program));
            Assert.Equal(_machine.Frames.FramesTotal, _machine.Frames.FramesFree);
        }

        public void Dispose() => _machine.Dispose();

        public async ValueTask<PageResponseCode> Supply(PageRequestGroup group)
        {
            await _machine.Cpu.Processor.Delay((ulong)(group.Number % 5) * 700);
            return group.Number % 3 == 0 ? PageResponseCode.InvalidRequest : PageResponseCode.Success;
        }

        private static SourceId Source(int device) => new(0, 3 + device, 0);

        private async Task Execute(BareMetal machine, Step[] program)
        {
            _driver = await RemappingDriver.Start(machine.Cpu, new(BareMetal.UnitAddress), machine.Frames, new(SharedSpaceWorld.FaultVector)
            {
                Scalable = true,
                PageRequestVector = SharedSpaceWorld.PageVector,
                HostAddressWidth = profile.HostAddressWidth,
                WindowLength = (ulong)machine.Unit!.WindowLength,
            });
            RemappingDomain domain = _driver.CreateDomain();
            for (int device = 0; device < Devices; device++)
            {
                machine.Unit.Connect(Source(device), _devices[device]);
                if (device < 2)
                    Assert.Equal(DmaRefusal.None, await _driver.Attach(Source(device), domain));
            }

            foreach (Step step in program)
                await Take(step);
            foreach (Task pending in _pending)
                await pending;
            foreach (ProcessBinding binding in _bindings.Values)
                await binding.Unbind();

            // Everything that is under way comes to its end.
            await machine.Cpu.Processor.Delay(Settle * 1000ul * 100);
            if (!spoils)
                CheckAnswers();
            for (int device = 0; device < 2; device++)
                await _driver.Detach(Source(device));
            await _driver.Release(domain);
            Assert.Equal(0ul, _driver.QueueStops);
            await _driver.Shutdown();
            Assert.Equal(0, _driver.FramesInUse);
        }

        private async Task Take(Step step)
        {
            uint? pasid = step.Pasid == 0 ? null : (uint)step.Pasid;
            RemappedPort port = _machine.Unit!.Open(Source(step.Device));
            switch (step.What)
            {
                case What.Ask:
                    Ask(port, step.Device, pasid, ++_group & 0x1FF, isLast: true, step.Number);
                    break;
                case What.AskMore:
                    // Some of a group, which may never end, or end with others.
                    Ask(port, step.Device, pasid, (_group + (step.Number % 2)) & 0x1FF, isLast: false, step.Number);
                    break;
                case What.StopMarker:
                    port.RequestPage(new(default, 0, true, false, false, Attributes(pasid ?? 1)));
                    break;
                case What.Flood:
                    for (int at = 0; at < 140; at++)
                        Ask(port, step.Device, pasid, ++_group & 0x1FF, isLast: at % 3 != 0, step.Number + at);
                    break;
                case What.Bind when step.Device < 2 && pasid is { } number:
                    _pending.Add(Bind(step.Device, number));
                    break;
                case What.Unbind when _bindings.Count != 0:
                    var key = _bindings.Keys.ElementAt(step.Number % _bindings.Count);
                    _ = _bindings.Remove(key, out ProcessBinding? binding);
                    _pending.Add(binding!.Unbind().AsTask());
                    break;
                case What.Wait:
                    await _machine.Cpu.Processor.Delay((ulong)(step.Number % 8_000));
                    break;
                case What.Spoil:
                    Spoil(step.Number);
                    break;
                default:
                    break;
            }
        }

        private static DmaAttributes Attributes(uint? pasid) => pasid is { } number ? new() { Pasid = new(number) } : default;

        private void Ask(RemappedPort port, int device, uint? pasid, int group, bool isLast, int number)
        {
            if (isLast)
                _asked.Add((device, pasid, group));
            port.RequestPage(new(new((ulong)(uint)number << 12), group, isLast, true, number % 2 == 0, Attributes(pasid)));
        }

        private async Task Bind(int device, uint pasid)
        {
            if (_bindings.ContainsKey((device, pasid)))
                return;
            Assert.True(_machine.Frames.TryAllocate(out GuestPhysicalAddress root));
            (ProcessBinding? binding, DmaRefusal refusal) = await _driver.Processes!.Bind(Source(device), new(pasid), root, new());
            _machine.Frames.Free(root);
            if (refusal != DmaRefusal.None)
                return;
            _bindings.Add((device, pasid), binding!);
            await _driver.PageRequests!.Serve(Source(device), new(pasid), this);
        }

        // Descriptors, the ends of the ring and its status are not what anybody put there.
        private void Spoil(int number)
        {
            Random random = new(number);
            PageRequestQueueAddress queue = new(new(_machine.Unit!.Read(RegisterOffsets.PageRequestQueueAddress, 8)));
            Span<byte> garbage = stackalloc byte[32];
            for (int count = 0; count < 8; count++)
            {
                random.NextBytes(garbage);
                garbage[0] = (byte)(number % 3);
                Assert.True(_machine.Memory.TryWrite(queue.Table + (ulong)(random.Next(128) * 32), garbage));
            }

            int[] offsets = [RegisterOffsets.PageRequestQueueHead, RegisterOffsets.PageRequestQueueTail];
            _machine.Unit.Write((ulong)offsets[number % 2], 8, (ulong)random.NextInt64());
            _machine.Unit.Write(RegisterOffsets.PageRequestStatus, 4, (ulong)random.Next(4));
        }

        private void CheckAnswers()
        {
            IEnumerable<(int, uint?, int)> answered = _devices.SelectMany((device, index) =>
                device.Responses.Select(response => (index, response.Pasid?.Value, response.Group)));
            Assert.Equal(_asked.Order(), answered.Order());

            // A requester that nobody knows hears of failure and nothing else.
            Assert.All(_devices[2].Responses, response => Assert.Equal(PageResponseCode.Failure, response.Code));
        }
    }

    private sealed class Recorder : IDeviceTlb
    {
        public List<PageGroupResponse> Responses { get; } = [];

        public DeviceTlbAnswer Invalidate(in DeviceTlbInvalidation request) => DeviceTlbAnswer.Completed;

        public void Respond(in PageGroupResponse response) => Responses.Add(response);
    }
}
