using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Local APICs beside a model of sets and priorities, over random programs of what can happen to them.</summary>
public sealed class LocalApicModelTests
{
    private const int Processors = 3;
    private const uint TimerVector = 0x8A;

    private enum Step
    {
        Arrive,
        ArriveLevel,
        TaskPriority,
        End,
        SendToSelf,
        SendToOthers,
        Close,
        Open,
        Timer,
        Wait,
    }

    private static Arbitrary<(Step Step, int Processor, byte Value)[]> Programs => Generate.Program(
        from step in Gen.Frequency(
            (6, Gen.Constant(Step.Arrive)), (2, Gen.Constant(Step.ArriveLevel)), (2, Gen.Constant(Step.TaskPriority)), (6, Gen.Constant(Step.End)),
            (2, Gen.Constant(Step.SendToSelf)), (2, Gen.Constant(Step.SendToOthers)), (1, Gen.Constant(Step.Close)), (2, Gen.Constant(Step.Open)),
            (2, Gen.Constant(Step.Timer)), (2, Gen.Constant(Step.Wait)))
        from processor in Gen.Choose(0, Processors - 1)
        from value in Gen.OneOf(Gen.Choose(0, 255), Gen.Choose(0x40, 0x6F), Gen.Elements(0, 15, 16, 31, 32, 254, 255))
        select (step, processor, (byte)value),
        stepsMax: 120);

    [Fact]
    public void Interrupts_are_taken_when_and_in_the_order_that_their_priorities_say() =>
        Property.Check(
            Programs,
            program =>
            {
                World world = new();
                foreach ((Step step, int processor, byte value) in program)
                {
                    world.Take(step, processor, value);
                    world.Compare();
                }
            },
            count: 200);

    /// <summary>Processors that software drives, each with a model of its own.</summary>
    private sealed class World
    {
        private readonly EventLoop _loop = new();
        private readonly InterruptRouter _router;
        private readonly Model[] _models = [.. Enumerable.Range(0, Processors).Select(_ => new Model())];
        private readonly Signal[][] _signals;

        public World()
        {
            _router = new(_loop);
            _signals = [.. Enumerable.Range(0, Processors).Select(Start)];
        }

        public void Take(Step step, int processor, byte value)
        {
            Model model = _models[processor];
            switch (step)
            {
                case Step.Arrive:
                    _router.Deliver(MessageInterrupt.To((byte)processor, value));
                    model.Arrive(value);
                    break;
                case Step.ArriveLevel:
                    _router.Deliver(new(MessageInterrupt.To((byte)processor, value).Address, 0xC000u | value));
                    model.Arrive(value, isLevel: true);
                    break;
                case Step.TaskPriority:
                    Write(processor, LocalApicOffsets.TaskPriority, value);
                    model.TaskPriority = value;
                    break;
                case Step.End:
                    Write(processor, LocalApicOffsets.EndOfInterrupt, value);
                    if (model.Served.Count != 0)
                        model.Served.Remove(model.Served.Max);
                    break;
                case Step.SendToSelf:
                    Write(processor, LocalApicOffsets.InterruptCommand, 0x4_0000u | value);
                    model.Arrive(value);
                    break;
                case Step.SendToOthers:
                    Write(processor, LocalApicOffsets.InterruptCommand, 0xC_0000u | value);
                    foreach (Model other in _models.Where(other => other != model))
                        other.Arrive(value);
                    break;
                case Step.Close:
                case Step.Open:
                    _router.ProcessorOf((byte)processor).IsOpen = step == Step.Open;
                    model.IsOpen = step == Step.Open;
                    break;
                case Step.Timer:
                    Write(processor, LocalApicOffsets.InitialCount, value);
                    model.TimerNs = value == 0 ? null : _loop.NowNs + (2ul * value);
                    break;
                default:
                    _loop.RunFor(value);
                    foreach (Model timed in _models)
                        timed.Expire(_loop.NowNs);
                    break;
            }

            foreach (Model settled in _models)
                settled.Settle();
        }

        public void Compare()
        {
            for (int processor = 0; processor < Processors; processor++)
            {
                Model model = _models[processor];
                Assert.Equal(model.Waiting, Set(processor, LocalApicOffsets.InterruptRequest));
                Assert.Equal(model.Served, Set(processor, LocalApicOffsets.InService));
                Assert.Equal(model.Levels, Set(processor, LocalApicOffsets.TriggerMode));
                Assert.Equal(model.Priority, (int)Read(processor, LocalApicOffsets.ProcessorPriority));
                Assert.Equal(model.Taken, _signals[processor].Select(signal => signal.Raised));
            }
        }

        private Signal[] Start(int processor)
        {
            InterruptGates gates = _router.ProcessorOf((byte)processor);
            Write(processor, LocalApicOffsets.SpuriousVector, 0x1FF);
            Write(processor, LocalApicOffsets.TimerEntry, TimerVector);
            return [.. Enumerable.Range(16, 240).Select(vector => gates.Connect((byte)vector))];
        }

        private SortedSet<int> Set(int processor, int offset)
        {
            SortedSet<int> found = [];
            for (int index = 0; index < 8; index++)
            {
                for (ulong left = Read(processor, offset + (16 * index)); left != 0; left &= left - 1)
                    found.Add((32 * index) + System.Numerics.BitOperations.TrailingZeroCount(left));
            }

            return found;
        }

        private ulong Read(int processor, int offset) => _router.ProcessorOf((byte)processor).Apic.Read((ulong)offset, 4);

        private void Write(int processor, int offset, uint value) => _router.ProcessorOf((byte)processor).Apic.Write((ulong)offset, 4, value);
    }

    /// <summary>Sets, and the one rule: the highest that waits goes when its class is above all that masks it.</summary>
    private sealed class Model
    {
        public SortedSet<int> Waiting { get; } = [];

        public SortedSet<int> Served { get; } = [];

        public SortedSet<int> Levels { get; } = [];

        public ulong[] Taken { get; } = new ulong[240];

        public int TaskPriority { get; set; }

        public bool IsOpen { get; set; } = true;

        public ulong? TimerNs { get; set; }

        public int Priority => Served.Count != 0 && Served.Max / 16 > TaskPriority / 16 ? Served.Max / 16 * 16 : TaskPriority;

        public void Arrive(int vector, bool isLevel = false)
        {
            if (vector < 16)
                return;
            Waiting.Add(vector);
            if (isLevel)
                Levels.Add(vector);
            else
                Levels.Remove(vector);
        }

        public void Expire(ulong nowNs)
        {
            if (TimerNs > nowNs || TimerNs is null)
                return;
            TimerNs = null;
            Arrive((int)TimerVector);
        }

        public void Settle()
        {
            while (IsOpen && Waiting.Count != 0 && Waiting.Max / 16 > Priority / 16)
            {
                int next = Waiting.Max;
                Waiting.Remove(next);
                Served.Add(next);
                Taken[next - 16]++;
            }
        }
    }
}
