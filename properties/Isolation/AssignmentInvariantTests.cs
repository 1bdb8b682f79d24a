using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;
using static Dma.Properties.AssignmentWorld;

namespace Dma.Properties;

/// <summary>Random steps with several devices and VMs: after each of them every device has one owner, and nobody else anything of it.</summary>
public sealed class AssignmentInvariantTests
{
    private enum Act
    {
        Detach, Reset, Isolate, Expose, Withdraw, Quiesce, Release, Return, Quarantine, Assign, TakeBack, PullOut, PlugIn, EndMachine,
    }

    [Fact]
    public void Whatever_steps_are_taken_in_whatever_order_each_device_has_one_owner_and_nobody_else_has_anything_of_it()
    {
        // Whole ways are as likely as single steps, surprises are rare.
        Gen<(Act Act, int Device, int Machine)> step =
            from act in Gen.Frequency((12, Gen.Choose(0, 7)), (5, Gen.Choose(9, 10)), (1, Gen.Choose(8, 13)))
            from device in Gen.Choose(0, World.Devices - 1)
            from machine in Gen.Choose(0, 1)
            select ((Act)act, device, machine);
        int assigned = 0;
        Property.Check(Generate.Program(step, 40), program =>
        {
            using World world = new();
            foreach ((Act act, int device, int machine) in program)
            {
                world.Take(act, device, machine);
                world.CheckAll();
                assigned += world.Assigned;
            }

            world.EndAll();
        }, count: 40);

        // Programs that never get anywhere would prove nothing.
        Assert.True(assigned > 200, $"{assigned}");
    }

    private sealed class World : IDisposable
    {
        public const int Devices = 5;

        private const uint On = (uint)(PciCommand.BusMaster | PciCommand.MemorySpace);
        private const ulong Secret = 0x5EC4E7;

        private readonly Host _host = Small();
        private readonly DmaDevice[] _devices = [.. Enumerable.Range(0, Devices).Select(_ => new DmaDevice())];
        private readonly PciBus[] _buses;
        private readonly Assignment[] _assignments;
        private readonly VirtualMachine?[] _machines = new VirtualMachine?[2];
        private readonly ulong[] _mapped = new ulong[Devices];
        private int _names;

        public World()
        {
            // Two devices alone, two under the name of a bridge, and one behind a port.
            PciBridge conventional = new(0x1234, 2, type: null);
            PciBridge port = new(0x1234, 1);
            _host.Pci.Add(conventional, 1);
            _host.Pci.Add(port, 2);
            _buses = [_host.Pci.Root, _host.Pci.Root, conventional.Secondary, conventional.Secondary, port.Secondary];
            for (int device = 0; device < Devices; device++)
                _buses[device].Add(_devices[device], PlaceOf(device));
            _host.Boot();
            _assignments = [.. _devices.Select(device => _host.AssignmentOf(device.Source))];
        }

        /// <summary>How many devices VMs have.</summary>
        public int Assigned => _host.Machines.Sum(vm => vm.Devices.Count);

        public void Take(Act act, int device, int number)
        {
            Assignment assignment = _assignments[device];
            VirtualMachine machine = _machines[number] ??= _host.CreateMachine($"vm{_names++}", 2 * MiB);
            SourceId place = GuestPlaceOf(device);
            _host.Loop.Run(async () =>
            {
                switch (act)
                {
                    case Act.Assign:
                        _ = await assignment.Group.Assign(machine, [.. assignment.Group.Functions.Select(function => GuestPlaceOf(Array.IndexOf(_assignments, function)))]);
                        break;
                    case Act.PullOut when _devices[device].Bus is not null:
                        await _host.HotUnplug(_devices[device]);
                        break;
                    case Act.PlugIn when _devices[device].Bus is null && device < 2:
                        Assert.True(_host.HotPlug(_devices[device], PlaceOf(device)));
                        break;
                    case Act.EndMachine:
                        await _host.Destroy(machine);
                        _machines[number] = null;
                        break;
                    default:
                        _ = await Step(act, assignment, machine, place);
                        break;
                }
            });
            for (int at = 0; at < Devices; at++)
                Use(at);
        }

        public void CheckAll()
        {
            for (int device = 0; device < Devices; device++)
            {
                Assignment assignment = _assignments[device];
                bool isAssigned = assignment.State == AssignmentState.Assigned;

                // One owner (K1): a VM has it where its state says so, and then one alone.
                Assert.Equal(isAssigned ? 1 : 0, _host.Machines.Count(vm => vm.Devices.Contains(assignment)));
                Assert.Equal(assignment.State is AssignmentState.Isolated or AssignmentState.Assigned or AssignmentState.Withdrawn or AssignmentState.Quiet, assignment.Machine is not null);
                CheckRequests(device, isAssigned);
                CheckInterrupts(device, isAssigned);
            }

            // Nothing without an owner (K5), and no group in two hands.
            ulong pages = _host.Machines.Aggregate(0ul, (sum, vm) => sum + vm.PinnedPages);
            Assert.Equal(pages, _host.Frames.Pins);
            foreach (Assignment one in _assignments)
            {
                Assert.True(one.Machine is null || one.Group.Functions.All(other => other.State != AssignmentState.Host && (other.Machine ?? one.Machine) == one.Machine));
                Assert.True(one.Machine is not null || (one.DomainId is null && one.Mappings is null && one.MappedBars.Count == 0 && one.GuestAddress == default));
            }
        }

        public void EndAll()
        {
            for (int device = 0; device < Devices; device++)
                Take(Act.TakeBack, device, 0);
            foreach (Assignment assignment in _assignments)
                AssertWithHost(_host, assignment);
        }

        public void Dispose() => _host.Dispose();

        private static int PlaceOf(int device) => device < 2 ? 3 + device : device == 4 ? 0 : device - 2;

        private static SourceId GuestPlaceOf(int device) => new(0, 1 + device, 0);

        private static ValueTask<AssignmentResult> Step(Act act, Assignment assignment, VirtualMachine machine, SourceId place) => act switch
        {
            Act.Detach => assignment.Detach(),
            Act.Reset => assignment.Reset(),
            Act.Isolate => assignment.Isolate(machine),
            Act.Expose => assignment.Expose(place),
            Act.Withdraw => assignment.Withdraw(),
            Act.Quiesce => assignment.Quiesce(),
            Act.Release => assignment.Release(),
            Act.Return => assignment.Return(),
            Act.Quarantine => assignment.Quarantine(),
            Act.TakeBack => assignment.TakeBack(),
            _ => new(AssignmentResult.Done),
        };

        // The owner turns its device on, maps a page, and leaves something in it that the next owner must not find (K3).
        private void Use(int device)
        {
            Assignment assignment = _assignments[device];
            if (assignment.State != AssignmentState.Assigned)
            {
                _mapped[device] = 0;
                return;
            }

            if (_mapped[device] != 0)
                return;
            VirtualMachine machine = assignment.Machine!;
            machine.Pci.WriteConfiguration(assignment.GuestAddress, PciOffset.Command, 2, On);
            ulong bar = machine.Pci.ReadConfiguration(assignment.GuestAddress, PciOffset.Bar0, 4);
            Assert.Equal(0ul, machine.Cpu.Load(new(bar), 8));
            machine.Cpu.Store(new(bar), 8, Secret);
            _mapped[device] = Call(_host, machine, Hypercall.MapDma, assignment.GuestAddress.Value, (ulong)device << 12, 4096, 3).Value;
            Assert.NotEqual(0ul, _mapped[device]);
        }

        // Nothing gets through on the way (K2); of a VM what is mapped, and a fault of one does not stop another (K6).
        private void CheckRequests(int device, bool isAssigned)
        {
            if (isAssigned)
            {
                Assert.Equal(DmaStatus.Blocked, _devices[device].Write(0x1000, [1]));
                Assert.Equal(DmaStatus.Success, _devices[device].Write(_mapped[device], [1]));
                return;
            }

            for (ulong address = DmaMappings.WindowStart; address < DmaMappings.WindowStart + 0x4000; address += 0x1000)
                Assert.NotEqual(DmaStatus.Success, _devices[device].Write(address, [1]));
        }

        // Interrupts reach the owner and nobody else (K4).
        private void CheckInterrupts(int device, bool isAssigned)
        {
            ulong forwarded = _assignments[device].InterruptsForwarded;
            ulong others = _assignments.Where((_, other) => other != device).Aggregate(0ul, (sum, other) => sum + other.InterruptsForwarded);
            _devices[device].Interrupt();
            _host.Loop.RunFor(100_000);
            Assert.Equal(forwarded + (isAssigned ? 1ul : 0), _assignments[device].InterruptsForwarded);
            Assert.Equal(others, _assignments.Where((_, other) => other != device).Aggregate(0ul, (sum, other) => sum + other.InterruptsForwarded));
        }
    }
}
