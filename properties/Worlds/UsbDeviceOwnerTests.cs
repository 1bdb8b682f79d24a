using Dma.Drivers;
using Dma.Lab;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Two USB devices go between the host and two VMs at random: each has one owner, and was reset since the last one.</summary>
public sealed class UsbDeviceOwnerTests
{
    private const int StepsMax = 16;
    private const int Host = -1;

    private enum Act
    {
        Assign,
        TakeBack,
        AssignAndTakeBack,
        EndMachine,
        Read,
    }

    private static Arbitrary<(Act Act, int Device, int Machine)[]> Programs => Generate.Program(
        from act in Gen.Frequency(
            (4, Gen.Constant(Act.Assign)), (2, Gen.Constant(Act.TakeBack)), (1, Gen.Constant(Act.AssignAndTakeBack)), (1, Gen.Constant(Act.EndMachine)), (3, Gen.Constant(Act.Read)))
        from device in Gen.Choose(0, 1)
        from machine in Gen.Choose(0, 1)
        select (act, device, machine),
        StepsMax);

    [Fact]
    public void A_device_has_one_owner_who_can_read_it_and_nobody_else_can()
    {
        int reads = 0;
        Property.Check(
            Programs,
            program =>
            {
                using SingleDeviceWorld world = new("xhci", contentBytes: 4096);
                world.Host.Loop.Run(async () =>
                {
                    Owners owners = new(world);
                    await owners.Start();
                    foreach ((Act act, int device, int machine) in program)
                        await owners.Do(act, device, machine);
                    await owners.End();
                    reads += owners.GuestReads;
                });
                Assert.Equal(0ul, world.Host.Faults.Total);
            },
            count: 32);
        Assert.True(reads > 12, $"Guests read {reads} times.");
    }

    /// <summary>The world, and who should have which device.</summary>
    private sealed class Owners(SingleDeviceWorld world)
    {
        private readonly IUsbMediator[] _mediators = new IUsbMediator[2];
        private readonly int[] _owner = [Host, Host];

        // What each VM has in its ports: the first free one is taken.
        private readonly int?[][] _ports = [[null, null], [null, null]];

        public int GuestReads { get; private set; }

        public async Task Start()
        {
            await world.Start();
            for (int machine = 0; machine < 2; machine++)
                CreateMachine(machine);
        }

        public async Task Do(Act act, int device, int machine)
        {
            UsbDeviceAssignment assignment = world.Assignments[device];
            int resets = world.Devices[device].Resets;
            int before = _owner[device];
            switch (act)
            {
                case Act.Assign when before == Host:
                    Assert.True(await assignment.Assign(_mediators[machine]));
                    Give(device, machine);
                    break;
                case Act.Assign:
                    await Assert.ThrowsAsync<InvalidOperationException>(() => assignment.Assign(_mediators[machine]).AsTask());
                    break;
                case Act.TakeBack:
                    Assert.True(await assignment.TakeBack());
                    Give(device, Host);
                    break;
                case Act.AssignAndTakeBack:
                    Task<bool> assign = assignment.Assign(_mediators[machine]).AsTask();
                    Assert.True(await assignment.TakeBack());
                    Assert.Equal(before == Host, assign.IsCompletedSuccessfully);
                    Give(device, Host);
                    break;
                case Act.EndMachine:
                    await world.Host.Destroy(_mediators[machine].Machine);
                    CreateMachine(machine);
                    foreach (int owned in new[] { 0, 1 }.Where(owned => _owner[owned] == machine))
                        Give(owned, Host);
                    break;
                default:
                    await Read(device);
                    break;
            }

            // K3: nobody gets a device as another one left it.
            Assert.True(before == _owner[device] || world.Devices[device].Resets > resets);
            Check();
        }

        public async Task End()
        {
            foreach (IUsbMediator mediator in _mediators)
                await world.Host.Destroy(mediator.Machine);
            for (int device = 0; device < 2; device++)
            {
                Give(device, Host);
                Assert.Equal(world.Contents[device], await world.ReadByHost(device));
            }

            // K5: nothing is left of any of it.
            Check();
            Assert.Equal(0ul, world.Host.Frames.Pins);
        }

        private void CreateMachine(int machine) => _mediators[machine] = world.CreateMachine(machine == 0 ? IoModel.Split : IoModel.Emulated, $"VM {machine}");

        private void Give(int device, int owner)
        {
            _owner[device] = owner;
            foreach (int?[] ports in _ports)
            {
                int at = Array.IndexOf(ports, device);
                if (at >= 0)
                    ports[at] = null;
            }

            if (owner != Host)
                _ports[owner][Array.IndexOf(_ports[owner], null)] = device;
        }

        private async Task Read(int device)
        {
            int owner = _owner[device];
            if (owner == Host)
            {
                Assert.Equal(world.Contents[device], await world.ReadByHost(device));
                return;
            }

            await Assert.ThrowsAsync<DriverException>(() => world.ReadByHost(device));
            Assert.Equal(world.Contents[device], await SingleDeviceWorld.ReadByGuest(_mediators[owner], 1 + Array.IndexOf(_ports[owner], device)));
            GuestReads++;
        }

        // K1: the host's driver has it, or one VM, and the record says which.
        private void Check()
        {
            for (int device = 0; device < 2; device++)
            {
                bool isHosts = _owner[device] == Host;
                UsbDeviceAssignment assignment = world.Assignments[device];
                Assert.Equal(isHosts, world.Drivers[device].IsUp);
                Assert.Equal(isHosts ? UsbDeviceState.Host : UsbDeviceState.Assigned, assignment.State);
                Assert.Equal(isHosts ? null : _mediators[_owner[device]].Machine, assignment.Machine);
            }
        }
    }
}
