using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Two guests, three devices, and programs that map, unmap, assign, take back, end guests and let devices loose.</summary>
/// <remarks>After each step the host is compared with a model that keeps a list of mappings for each device; every byte of its memory is.</remarks>
public sealed class MappingIsolationTests
{
    private const ulong PageSize = 4096;
    private const ulong GuestBytes = 12 * PageSize;

    private enum What
    {
        Map,
        Unmap,
        UnmapAnything,
        Write,
        Read,
        Assign,
        TakeBack,
        BusMaster,
        EndGuest,
    }

    public static TheoryData<string> Profiles => [.. ProfileChoice.Names];

    private static Gen<Step> Steps =>
        from what in Gen.Frequency(
            (8, Gen.Constant(What.Map)), (5, Gen.Constant(What.Unmap)), (1, Gen.Constant(What.UnmapAnything)), (8, Gen.Constant(What.Write)),
            (4, Gen.Constant(What.Read)), (4, Gen.Constant(What.Assign)), (1, Gen.Constant(What.TakeBack)), (2, Gen.Constant(What.BusMaster)),
            (1, Gen.Constant(What.EndGuest)))
        from guest in Gen.Choose(0, 1)
        from device in Gen.Choose(0, 2)
        from number in Gen.Choose(0, 1000)
        from offset in Gen.Frequency((3, Gen.Choose(0, 4095)), (1, Gen.Choose(-4096, 16_384)))
        from length in Gen.Frequency((3, Gen.Choose(1, 64)), (2, Gen.Choose(1, 13_000)))
        from direction in Gen.Choose(0, 4)
        select new Step(what, guest, device, number, offset, length, direction);

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_device_reaches_exactly_what_its_guest_has_mapped_for_it_now(string profile) =>
        Property.Check(Generate.Program(Steps, 50), program => Run(profile, program), 6);

    private static void Run(string profile, Step[] program)
    {
        using World world = new(HardwareProfile.Named(profile));
        foreach (Step step in program)
        {
            world.Take(step);
            world.CheckInvariants();
        }

        world.End();
    }

    private sealed record Step(What What, int Guest, int Device, int Number, int Offset, int Length, int Direction)
    {
        public override string ToString() => What switch
        {
            What.Map => $"guest {Guest} maps {Length} bytes at page {Number % 14} + {Offset} for device {Device}, direction {Direction}",
            What.Unmap => $"guest {Guest} unmaps mapping {Number} of device {Device}",
            What.UnmapAnything => $"guest {Guest} unmaps {Length} bytes at {Number} pages + {Offset} of device {Device}",
            What.Write or What.Read => $"device {Device} {What}s {Length} bytes at mapping {Number} + {Offset}",
            What.Assign => $"guest {Guest} gets device {Device}",
            What.TakeBack => $"device {Device} is taken back",
            What.BusMaster => $"guest {Guest} sets bus master of device {Device} to {Number & 1}",
            _ => $"guest {Guest} ends",
        };
    }

    private sealed record Mapping(ulong Device, ulong Guest, ulong Length, DmaDirection Direction)
    {
        public ulong FirstPage => Device / PageSize;

        public ulong Pages => (((Device % PageSize) + Length + PageSize - 1) / PageSize);

        public ulong GuestPage(ulong page) => (Guest / PageSize) + (page - FirstPage);

        public bool Covers(ulong address, DmaDirection direction) =>
            (address / PageSize) - FirstPage < Pages && Direction.HasFlag(direction);
    }

    private sealed class Model
    {
        public VirtualMachine? Owner { get; set; }

        public bool IsMaster { get; set; }

        public List<Mapping> Mappings { get; } = [];
    }

    private sealed class World : IDisposable
    {
        private readonly Host _host;
        private readonly DmaDevice[] _devices = [new(), new(), new()];
        private readonly Model[] _models = [new(), new(), new()];
        private readonly VirtualMachine[] _guests = new VirtualMachine[2];
        private readonly ulong _free;
        private byte _pattern;

        public World(HardwareProfile profile)
        {
            _host = new(new() { MemoryBytes = 4 << 20, VmmBytes = 3 << 20, Profile = profile });
            for (int device = 0; device < _devices.Length; device++)
                _host.Pci.Add(_devices[device], device + 1);
            _host.Boot();
            _free = _host.Frames.CountOf(FrameOwner.Free);
            Begin(0);
            Begin(1);
        }

        public void Dispose() => _host.Dispose();

        public void Take(Step step)
        {
            Model model = _models[step.Device];
            VirtualMachine guest = _guests[step.Guest];
            SourceId handle = new(0, step.Device + 1, 0);
            Assignment assignment = _host.AssignmentOf(_devices[step.Device].Source);
            switch (step.What)
            {
                case What.Map:
                    Map(step, model, guest, handle);
                    break;
                case What.Unmap when model.Mappings.Count != 0:
                    Mapping mapping = model.Mappings[step.Number % model.Mappings.Count];
                    Unmap(model, guest, handle, mapping.Device, mapping.Length);
                    break;
                case What.UnmapAnything:
                    Unmap(model, guest, handle, DmaMappings.WindowStart + (ulong)(step.Number % 16 * 4096) + (ulong)(step.Offset & 0xFFF), (ulong)step.Length);
                    break;
                case What.Write or What.Read:
                    Move(step, model);
                    break;
                case What.Assign:
                    AssignmentResult assigned = _host.Loop.Run(() => assignment.Assign(guest, handle).AsTask());
                    Assert.Equal(model.Owner is null, assigned.IsDone);
                    model.Owner ??= guest;
                    break;
                case What.TakeBack:
                    Assert.True(_host.Loop.Run(() => assignment.TakeBack().AsTask()).IsDone);
                    Forget(model);
                    break;
                case What.BusMaster:
                    guest.Pci.WriteConfiguration(handle, PciOffset.Command, 2, (step.Number & 1) != 0 ? (uint)PciCommand.BusMaster : 0);
                    if (model.Owner == guest)
                        model.IsMaster = (step.Number & 1) != 0;
                    break;
                case What.EndGuest:
                    _host.Loop.Run(() => _host.Destroy(guest).AsTask());
                    foreach (Model owned in _models.Where(owned => owned.Owner == guest))
                        Forget(owned);
                    Begin(step.Guest);
                    break;
            }
        }

        public void CheckInvariants()
        {
            // Pins: as many as mapped pages, each on a frame of the owner; translation of a mapping is EPT of its page.
            ulong pages = 0;
            for (int index = 0; index < _devices.Length; index++)
            {
                Model model = _models[index];
                SourceId source = _devices[index].Source;
                Assert.Equal(model.Owner, _host.AssignmentOf(source).Machine);
                Assert.Equal(model.Owner is null ? 0 : 1, _guests.Count(guest => guest.Devices.Any(device => device.Source == source)));
                foreach (Mapping mapping in model.Mappings)
                {
                    pages += mapping.Pages;
                    for (ulong page = mapping.FirstPage; page < mapping.FirstPage + mapping.Pages; page++)
                        CheckPage(model.Owner!, source, mapping, page);
                }

                if (model.Owner is null)
                    Assert.False(_host.Unit.Explain(source, new(DmaMappings.WindowStart), write: true).Passes);
            }

            Assert.Equal(pages, _host.Frames.Pins);
            Assert.Equal(pages, _guests.Aggregate(0ul, (sum, guest) => sum + guest.PinnedPages));
        }

        public void End()
        {
            foreach (VirtualMachine guest in _guests)
                _host.Loop.Run(() => _host.Destroy(guest).AsTask());
            Assert.Equal(0ul, _host.Frames.Pins);
            Assert.Equal(_free, _host.Frames.CountOf(FrameOwner.Free));
            foreach (DmaDevice device in _devices)
            {
                Assert.Equal(AssignmentState.Host, _host.AssignmentOf(device.Source).State);
                Assert.Equal(FaultReason.ContextNotPresent, NoContext(_host.Unit.Explain(device.Source, new(0), write: false).Fault));
                Assert.Equal(DmaStatus.NotMaster, device.Write(DmaMappings.WindowStart, [1]));
            }
        }

        private static FaultReason NoContext(FaultReason found) =>
            found == FaultReason.RootNotPresent ? FaultReason.ContextNotPresent : found;

        private static void Forget(Model model)
        {
            (model.Owner, model.IsMaster) = (null, false);
            model.Mappings.Clear();
        }

        private void Begin(int index)
        {
            _guests[index] = _host.CreateMachine($"guest {index}", GuestBytes);
            byte[] content = new byte[GuestBytes];
            Array.Fill(content, ++_pattern);
            Assert.True(_guests[index].Cpu.TryWrite(new(0), content));
        }

        private void CheckPage(VirtualMachine owner, SourceId source, Mapping mapping, ulong page)
        {
            EptWalkResult expected = owner.Memory.Tables.Walk(new(mapping.GuestPage(page) * PageSize), EptRights.Read);
            Assert.Equal(owner.Owner, _host.Frames.OwnerOf(expected.Address));
            Assert.True(_host.Frames.PinsOf(expected.Address) > 0);
            foreach (bool write in (bool[])[false, true])
            {
                WalkTranscript walk = _host.Unit.Explain(source, new(page * PageSize), write);
                Assert.Equal(mapping.Direction.HasFlag(write ? DmaDirection.FromDevice : DmaDirection.ToDevice), walk.Passes);
                if (walk.Passes)
                    Assert.Equal(expected.Address, walk.Target);
            }
        }

        private void Map(Step step, Model model, VirtualMachine guest, SourceId handle)
        {
            ulong start = unchecked((ulong)(step.Number % 14 * 4096) + (ulong)step.Offset);
            HypercallResult result = Call(guest, Hypercall.MapDma, handle.Value, start, (ulong)step.Length, (ulong)step.Direction);
            DmaRefusal expected = model.Owner != guest ? DmaRefusal.NotAssigned
                : step.Direction is 0 or 4 ? DmaRefusal.BadDirection
                : start >= GuestBytes || (ulong)step.Length > GuestBytes - start ? DmaRefusal.BadRange
                : DmaRefusal.None;
            Assert.Equal(expected, result.Refusal);
            if (expected != DmaRefusal.None)
                return;
            Mapping mapping = new(result.Value, start, (ulong)step.Length, (DmaDirection)step.Direction);
            Assert.Equal(start % PageSize, mapping.Device % PageSize);
            Assert.DoesNotContain(model.Mappings, other => mapping.FirstPage < other.FirstPage + other.Pages && other.FirstPage < mapping.FirstPage + mapping.Pages);
            model.Mappings.Add(mapping);
        }

        private void Unmap(Model model, VirtualMachine guest, SourceId handle, ulong address, ulong length)
        {
            HypercallResult result = Call(guest, Hypercall.UnmapDma, handle.Value, address, length);
            Mapping? mapping = model.Mappings.Find(mapping => mapping.Device == address && mapping.Length == length);
            Assert.Equal(
                model.Owner != guest ? DmaRefusal.NotAssigned : mapping is null ? DmaRefusal.NotMapped : DmaRefusal.None, result.Refusal);
            if (result.Refusal == DmaRefusal.None)
                model.Mappings.Remove(mapping!);
        }

        private void Move(Step step, Model model)
        {
            // At a mapping, or at the memory address of anything.
            ulong address = unchecked((ulong)step.Offset + (model.Mappings.Count != 0 && step.Number < 900
                ? model.Mappings[step.Number % model.Mappings.Count].Device
                : (ulong)step.Number << 12));
            DmaDirection direction = step.What == What.Write ? DmaDirection.FromDevice : DmaDirection.ToDevice;
            byte[] data = new byte[step.Length];
            for (int at = 0; at < data.Length; at++)
                data[at] = (byte)((at * 7) + step.Number);
            byte[] moved = [.. data];
            MemorySnapshot before = new(_host.Memory);
            DmaStatus status = direction == DmaDirection.FromDevice
                ? _devices[step.Device].Write(address, data)
                : _devices[step.Device].Read(address, moved);

            // As far as pages are mapped with that right.
            Dictionary<ulong, byte> written = [];
            int done = 0;
            while (model is { IsMaster: true } && done < data.Length && Target(model, address + (ulong)done, direction) is { } target)
            {
                if (direction == DmaDirection.FromDevice)
                {
                    written[target.Value] = data[done];
                }
                else
                {
                    Assert.True(_host.Memory.TryRead(target, out byte value));
                    Assert.Equal(value, moved[done]);
                }

                done++;
            }

            Assert.Equal(!model.IsMaster ? DmaStatus.NotMaster : done == data.Length ? DmaStatus.Success : DmaStatus.Blocked, status);
            Assert.Equal(0ul, before.CountChangedBytes(_host.Memory, place => written.ContainsKey(place.Value)));
            foreach ((ulong place, byte value) in written)
            {
                Assert.True(_host.Memory.TryRead(new PhysicalAddress(place), out byte found));
                Assert.Equal(value, found);
            }

            if (direction == DmaDirection.ToDevice)
                Assert.Equal(data.AsSpan(done), moved.AsSpan(done));
        }

        private static PhysicalAddress? Target(Model model, ulong address, DmaDirection direction) =>
            model.Mappings.Find(mapping => mapping.Covers(address, direction)) is { } mapping
                ? model.Owner!.Memory.Tables.Walk(new((mapping.GuestPage(address / PageSize) * PageSize) + (address % PageSize)), EptRights.Read).Address
                : null;

        private HypercallResult Call(VirtualMachine guest, Hypercall number, ulong a = 0, ulong b = 0, ulong c = 0, ulong d = 0) =>
            _host.Loop.Run(() => guest.Cpu.Call(number, a, b, c, d).AsTask());
    }
}
