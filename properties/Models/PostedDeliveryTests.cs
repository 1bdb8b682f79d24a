using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Interrupts into a guest that comes and goes, beside a count of what was raised: none is lost, and none is made up.</summary>
public sealed class PostedDeliveryTests
{
    private const int Devices = 3;
    private const int Urgent = 2;

    private enum Step
    {
        Raise,
        RaiseDuring,
        Halt,
        Preempt,
        Enter,
        Mask,
        Unmask,
        TaskPriority,
        Pass,
    }

    public static TheoryData<string, InterruptDelivery> Ways
    {
        get
        {
            TheoryData<string, InterruptDelivery> ways = [];
            foreach (string name in ProfileChoice.Names)
            {
                HardwareProfile profile = HardwareProfile.Named(name);
                ways.Add(name, InterruptDelivery.Emulated);
                if (profile is { Capabilities.PostedInterrupts: true, ExtendedCapabilities: { InterruptRemapping: true, QueuedInvalidation: true } })
                    ways.Add(name, InterruptDelivery.Posted);
            }

            return ways;
        }
    }

    private static Arbitrary<(Step Step, int Device, int Value)[]> Programs => Generate.Program(
        from step in Gen.Frequency(
            (8, Gen.Constant(Step.Raise)), (8, Gen.Constant(Step.RaiseDuring)), (2, Gen.Constant(Step.Halt)), (2, Gen.Constant(Step.Preempt)),
            (3, Gen.Constant(Step.Enter)), (2, Gen.Constant(Step.Mask)), (3, Gen.Constant(Step.Unmask)), (2, Gen.Constant(Step.TaskPriority)), (4, Gen.Constant(Step.Pass)))
        from device in Gen.Choose(0, Devices - 1)
        from value in Gen.Choose(0, 11)
        select (step, device, value),
        stepsMax: 60);

    [Theory]
    [MemberData(nameof(Ways))]
    public void No_interrupt_is_lost_and_none_is_made_up_whatever_comes_between(string profile, InterruptDelivery delivery) =>
        Property.Check(
            Programs,
            program =>
            {
                using DeliveryWorld world = new(delivery, Devices, profile, Urgent);
                Model model = new(world);
                foreach ((Step step, int device, int value) in program)
                {
                    Take(world, model, step, device, value);
                    model.Check();
                }

                // The guest runs, and listens to all: whatever was raised has come by then.
                world.Interference = null;
                world.Write(LocalApicOffsets.TaskPriority, 0);
                for (int device = 0; device < Devices; device++)
                    world.Mask(device, false);
                Array.Clear(model.IsMasked);
                world.Guest.Schedule.Enter();
                world.Settle();
                model.Check();
                model.CheckAllCame();
                Assert.Equal(delivery == InterruptDelivery.Posted, world.Assignments[0].IsPosted);
            },
            count: 25);

    private static void Take(DeliveryWorld world, Model model, Step step, int device, int value)
    {
        switch (step)
        {
            case Step.Raise:
                model.Raise(device);
                break;
            case Step.RaiseDuring:
                model.RaiseAt(device, value % 4);
                break;
            case Step.Halt:
                world.Guest.Schedule.Halt();
                break;
            case Step.Preempt:
                world.Guest.Schedule.Preempt();
                break;
            case Step.Enter:
                world.Guest.Schedule.Enter();
                break;
            case Step.Mask:
            case Step.Unmask:
                world.Mask(device, step == Step.Mask);
                model.IsMasked[device] = step == Step.Mask;
                break;
            case Step.TaskPriority:
                world.Write(LocalApicOffsets.TaskPriority, (uint)(value % 2) * 0x70);
                model.IsOpen = value % 2 == 0;
                break;
            case Step.Pass when value % 2 == 0:
                world.Settle((ulong)value * 300);
                break;
            default:
                // Long enough for all that is under way.
                world.Settle();
                if (world.Guest.Schedule.State == GuestState.Running && model.IsOpen)
                    model.CheckAllCame();
                break;
        }
    }

    /// <summary>What was raised, and what had been handled when it was raised last.</summary>
    private sealed class Model
    {
        private readonly DeliveryWorld _world;
        private readonly ulong[] _raised = new ulong[Devices];
        private readonly ulong[] _handledThen = new ulong[Devices];
        private readonly List<(int Device, int Writes)> _waiting = [];

        public Model(DeliveryWorld world)
        {
            _world = world;
            world.Interference = Interfere;
        }

        public bool[] IsMasked { get; } = new bool[Devices];

        // Whether the guest's task priority masks none of its devices.
        public bool IsOpen { get; set; } = true;

        public void Raise(int device)
        {
            _raised[device]++;
            _handledThen[device] = _world.Signals[device].Raised;
            _world.Devices[device].Interrupt();
        }

        // In the middle of what processor, VMM or unit do: after so many more writes.
        public void RaiseAt(int device, int writes) => _waiting.Add((device, writes));

        public void Check()
        {
            for (int device = 0; device < Devices; device++)
                Assert.True(_world.Signals[device].Raised <= _raised[device], $"Device {device} raised {_raised[device]}, the guest got {_world.Signals[device].Raised}.");
        }

        public void CheckAllCame()
        {
            for (int device = 0; device < Devices; device++)
            {
                if (_raised[device] != 0 && !IsMasked[device])
                    Assert.True(_world.Signals[device].Raised > _handledThen[device], $"The last of {_raised[device]} interrupts of device {device} did not come.");
            }
        }

        private void Interfere()
        {
            for (int at = _waiting.Count - 1; at >= 0; at--)
            {
                (int device, int writes) = _waiting[at];
                _waiting[at] = (device, writes - 1);
                if (writes != 0)
                    continue;
                _waiting.RemoveAt(at);

                // Its own writes tell of themselves, and those do not count again.
                _world.Interference = null;
                Raise(device);
                _world.Interference = Interfere;
            }
        }
    }
}
