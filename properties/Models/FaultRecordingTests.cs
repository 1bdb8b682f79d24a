using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Fault records, status and event against the algorithm of the reference sheet, sections 6.5 and 6.6, on plain lists.</summary>
public sealed class FaultRecordingTests
{
    private const int Devices = 3;
    private const uint EventData = 0x41;

    public static TheoryData<int, bool> Units => new()
    {
        { 1, false }, { 1, true }, { 2, false }, { 5, true }, { 8, false }, { 256, false },
    };

    [Theory]
    [MemberData(nameof(Units))]
    public void Records_overflow_and_events_are_those_of_the_model(int records, bool collapses) =>
        Property.Check(Steps().ListOf(80).Select(steps => steps.ToArray()).ToArbitrary(), steps => Run(records, collapses, steps), 40, $"{records} {collapses}");

    [Fact]
    public void All_256_records_are_filled_before_a_fault_is_lost()
    {
        using RemappingWorld world = World(256, false);
        for (ulong page = 0; page < 256; page++)
            Assert.False(world.Port.TryTranslate(new(page << 12), false, out _));
        Assert.False(world.FaultStatus.PrimaryFaultOverflow);
        Assert.False(world.Port.TryTranslate(new(0x9999_9000), false, out _));
        Assert.True(world.FaultStatus.PrimaryFaultOverflow);
        for (int index = 0; index < 256; index++)
            Assert.Equal(new Iova((ulong)index << 12), world.Record(index).Address);
    }

    [Fact]
    public void An_event_into_memory_is_a_doubleword_written_there()
    {
        using RemappingWorld world = World(1, false);
        world.Write(RegisterOffsets.FaultEventAddress, 0x8000, 4);
        world.Write(RegisterOffsets.FaultEventData, EventData, 4);
        world.Write(RegisterOffsets.FaultEventControl, 0, 4);
        Assert.False(world.Port.TryTranslate(new(0x1000), false, out _));
        Assert.True(world.Memory.TryRead(new PhysicalAddress(0x8000), out uint data));
        Assert.Equal(EventData, data);
        Assert.Empty(world.Messages);
    }

    private static void Run(int records, bool collapses, Step[] steps)
    {
        using RemappingWorld world = World(records, collapses);
        Model model = new(records, collapses);
        world.Write(RegisterOffsets.FaultEventData, EventData, 4);
        world.Write(RegisterOffsets.FaultEventAddress, (uint)InterruptRange.First, 4);
        foreach (Step step in steps)
        {
            switch (step.Kind)
            {
                case Kind.Fault:
                    ulong address = (ulong)step.Value << 12;
                    Assert.False(world.Unit.Open(new(0, 3, step.Device)).TryTranslate(new(address), step.Write, out _));
                    Assert.Equal(model.Fault(step.Device, address, step.Write, step.Device == 2), world.TakeFault().Disposition);
                    break;
                case Kind.ClearRecord:
                    int index = step.Value % records;
                    world.Write(RegisterOffsets.FaultRecord(world.Profile.Capabilities, index) + (step.Write ? 8 : 12), step.Write ? 1ul << 63 : 1ul << 31, step.Write ? 8 : 4);
                    model.ClearRecord(index);
                    break;
                case Kind.ClearOverflow:
                    world.Write(RegisterOffsets.FaultStatus, 1, 4);
                    model.ClearOverflow();
                    break;
                default:
                    world.Write(RegisterOffsets.FaultEventControl, new EventControl { Mask = step.Write }.Raw.Value, 4);
                    model.SetMask(step.Write);
                    break;
            }

            model.Compare(world);
        }
    }

    // Devices without a context: each of their requests is refused, those of device 2 without a word.
    private static RemappingWorld World(int records, bool collapses)
    {
        HardwareProfile friendly = HardwareProfile.Named("friendly");
        RemappingWorld world = new(friendly with
        {
            CollapsesFaults = collapses,
            Capabilities = friendly.Capabilities with { FaultRecordsCode = records - 1, FaultRecordOffset = 0x100 },
        });
        world.PutContext(new(0, 3, 2), new() { FaultProcessingDisable = true });
        return world.Enable();
    }

    private static Gen<Step> Steps() =>
        from kind in Gen.Frequency((6, Gen.Constant(Kind.Fault)), (3, Gen.Constant(Kind.ClearRecord)), (1, Gen.Constant(Kind.ClearOverflow)), (2, Gen.Constant(Kind.Mask)))
        from device in Gen.Choose(0, Devices - 1)
        from value in Gen.Choose(0, 7)
        from write in Gen.Elements(true, false)
        select new Step(kind, device, value, write);

    private enum Kind
    {
        Fault,
        ClearRecord,
        ClearOverflow,
        Mask,
    }

    private sealed record Step(Kind Kind, int Device, int Value, bool Write);

    private sealed class Model(int records, bool collapses)
    {
        private readonly (int Device, ulong Address, bool Write)?[] _records = new (int, ulong, bool)?[records];
        private int _next;
        private int _first;
        private bool _overflow;
        private bool _masked = true;
        private bool _pending;
        private int _sent;

        private bool AnyRecord => Array.Exists(_records, record => record is not null);

        public FaultDisposition Fault(int device, ulong address, bool write, bool suppressed)
        {
            if (suppressed)
                return FaultDisposition.Suppressed;
            if (_overflow)
                return FaultDisposition.Lost;
            if (collapses && Array.Exists(_records, record => record?.Device == device))
                return FaultDisposition.Collapsed;
            if (_records[_next] is not null)
            {
                _overflow = true;
                return FaultDisposition.Lost;
            }

            bool newCondition = !AnyRecord;
            if (newCondition)
                _first = _next;
            _records[_next] = (device, address, write);
            _next = (_next + 1) % records;
            if (newCondition)
            {
                _pending = true;
                Send();
            }

            return FaultDisposition.Recorded;
        }

        public void ClearRecord(int index)
        {
            _records[index] = null;
            Settle();
        }

        public void ClearOverflow()
        {
            _overflow = false;
            Settle();
        }

        public void SetMask(bool masked)
        {
            _masked = masked;
            Send();
        }

        public void Compare(RemappingWorld world)
        {
            FaultStatus status = world.FaultStatus;
            Assert.Equal(_overflow, status.PrimaryFaultOverflow);
            Assert.Equal(AnyRecord, status.PrimaryPendingFault);
            if (AnyRecord)
                Assert.Equal(_first, status.FaultRecordIndex);
            Assert.Equal(_sent, world.Messages.Count);
            Assert.All(world.Messages, message => Assert.Equal(new(InterruptRange.First, EventData), message));
            EventControl control = new(new(world.Read(RegisterOffsets.FaultEventControl, 4)));
            Assert.Equal((_masked, _pending), (control.Mask, control.Pending));
            for (int index = 0; index < records; index++)
            {
                FaultRecord record = world.Record(index);
                Assert.Equal(_records[index] is not null, record.Fault);
                if (_records[index] is { } held)
                    Assert.Equal((new SourceId(0, 3, held.Device), new Iova(held.Address), !held.Write), (record.Source, record.Address, record.Type1));
            }
        }

        private void Settle()
        {
            if (!_overflow && !AnyRecord)
                _pending = false;
        }

        private void Send()
        {
            if (_masked || !_pending)
                return;
            _pending = false;
            _sent++;
        }
    }
}
