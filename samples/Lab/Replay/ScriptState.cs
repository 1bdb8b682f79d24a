using System.Buffers.Binary;
using Dma.Iommu;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>What a script has done so far, and what the manual makes of it: the ground on which rules are judged.</summary>
/// <remarks>Nothing here is asked of the unit under test but which faults it detected.</remarks>
internal sealed class ScriptState
{
    private const int GlobalCommand = 0x18;
    private const int RootTableAddress = 0x20;
    private const int InterruptTableAddress = 0xB8;
    private const int FaultStatus = 0x34;
    private const int QueueTail = 0x88;
    private const int QueueAddress = 0x90;
    private const int CompletionStatus = 0x9C;
    private readonly byte[] _written = new byte[1 << 16];
    private readonly PhysicalMemory _memory;
    private readonly RegisterNames _names;
    private readonly Dictionary<(SourceId Source, ulong Page), HashSet<ulong>> _pagesUsed = [];
    private readonly HashSet<ulong> _dirtied = [];

    /// <summary>The state after power-on.</summary>
    /// <param name="hardware">The unit.</param>
    /// <param name="memory">The machine's memory.</param>
    /// <param name="recorder">Where the recorder's queue leaves the manual.</param>
    public ScriptState(HardwareProfile hardware, PhysicalMemory memory, QueueBehaviour recorder)
    {
        Hardware = hardware;
        _memory = memory;
        _names = new(hardware);
        Manual = new(QueueBehaviour.None, hardware, memory);
        Recorder = new(recorder, hardware, memory);
    }

    /// <summary>The unit.</summary>
    public HardwareProfile Hardware { get; }

    /// <summary>The queue as the manual has it.</summary>
    public QueueModel Manual { get; }

    /// <summary>The queue as the recorder has it.</summary>
    public QueueModel Recorder { get; }

    /// <summary>The fault log as the manual has it, with the faults that the unit detected.</summary>
    public FaultLogModel Faults { get; } = new();

    /// <summary>The fault log as the recorder has it, with the faults that it detected.</summary>
    public FaultLogModel RecorderFaults { get; } = new(withdrawsLate: true);

    /// <summary>RTADDR as it was latched.</summary>
    public ulong RootTable { get; private set; }

    /// <summary>IRTA as it was latched.</summary>
    public ulong InterruptTable { get; private set; }

    /// <summary>Whether GCMD lets interrupts in compatibility format pass.</summary>
    public bool CompatibilityAsked { get; private set; }

    /// <summary>Whether GCMD asks for translation.</summary>
    public bool TranslationAsked { get; private set; }

    /// <summary>Whether a command by register was written while the queue was on.</summary>
    public bool CommandedUnderQueue { get; private set; }

    /// <summary>Whether tables may have changed, or been taken anew, since translations were last invalidated.</summary>
    public bool MayBeStale { get; private set; } = true;

    /// <summary>The machine's memory.</summary>
    public PhysicalMemory Memory => _memory;

    /// <summary>The messages that the unit itself must have sent since the last look at interrupts.</summary>
    public IReadOnlyList<RecordedInterrupt> MessagesDue { get; private set; } = [];

    /// <summary>The messages that the recorder's unit itself must have sent since the last look at interrupts.</summary>
    public IReadOnlyList<RecordedInterrupt> RecorderMessagesDue { get; private set; } = [];

    /// <summary>What software last wrote to a register.</summary>
    /// <param name="offset">Where the register begins.</param>
    /// <param name="width">Its bytes.</param>
    public ulong Written(int offset, int width) =>
        width == 4 ? BinaryPrimitives.ReadUInt32LittleEndian(_written.AsSpan(offset)) : BinaryPrimitives.ReadUInt64LittleEndian(_written.AsSpan(offset));

    /// <summary>The entries that an access leads through now.</summary>
    public TablePath Follow(SourceId source, ulong address) => TablePath.Follow(_memory, Hardware, RootTable, source, address);

    /// <summary>Bytes of a register.</summary>
    public int WidthOf(string register) => _names.At(_names.OffsetOf(register)).Width;

    /// <summary>Where an access lands by the tables as they are; null where they lead nowhere.</summary>
    public ulong? Target(SourceId source, ulong address)
    {
        if (!TranslationAsked)
            return address;
        TablePath path = Follow(source, address);
        if (path.IsPassThrough)
            return address;
        return path.Entries.Count != 0 && path.Entries[^1].IsLeaf ? path.Entries[^1].Page + (address & (path.Entries[^1].Bytes - 1)) : null;
    }

    /// <summary>Whether the first-stage leaf at an address mapped a page that a device wrote to.</summary>
    public bool IsDirtied(ulong place) => _dirtied.Contains(place);

    /// <summary>The frames in which an access to a page of a requester has landed.</summary>
    public IReadOnlySet<ulong> FramesUsed(SourceId source, ulong address) =>
        _pagesUsed.TryGetValue((source, address >> 12), out HashSet<ulong>? frames) ? frames : new HashSet<ulong>();

    /// <summary>A step begins: what it tells the unit is told to the models.</summary>
    public void Begin(RecordedStep step)
    {
        if (step.Kind == StepKind.MemoryWrite)
        {
            MayBeStale |= !Manual.Holds(step.Address);
            Manual.ForgetStatus(step.Address, step.Bytes.Length);
            Recorder.ForgetStatus(step.Address, step.Bytes.Length);
        }

        if (step.Kind != StepKind.RegisterWrite)
            return;
        Span<byte> place = _written.AsSpan(step.Offset, step.Size);
        if (step.Size == 4)
            BinaryPrimitives.WriteUInt32LittleEndian(place, (uint)step.Value);
        else
            BinaryPrimitives.WriteUInt64LittleEndian(place, step.Value);
        for (int offset = step.Offset; offset < step.Offset + step.Size; offset += 4)
            Write(offset, (uint)(step.Value >> (8 * (offset - step.Offset))));
    }

    /// <summary>An access is over: the faults that it met on either side are logged.</summary>
    public void Access(RecordedStep step, OurOutcome ours)
    {
        foreach (RecordedFault fault in OutcomeExplainer.FaultsOf(step, (RecorderFaults.High >> 63) != 0))
            RecorderFaults.Report(fault);
        foreach ((RecordedFault fault, bool suppressed) in ours.Faults)
        {
            if (!suppressed)
                Faults.Report(fault);
        }
    }

    /// <summary>Interrupts were looked at.</summary>
    public void LookAtMessages()
    {
        MessagesDue = [.. Faults.Event.Take(), .. Manual.Completion.Take()];
        RecorderMessagesDue = [.. RecorderFaults.Event.Take(), .. Recorder.Completion.Take()];
    }

    /// <summary>Remembers where an access landed, if that is where the tables lead.</summary>
    public void Remember(RecordedStep step, OurOutcome ours)
    {
        if (ours.Status != DmaResult.Ok || Target(step.Source, step.Address) is not { } target)
            return;
        bool isWrite = step.Kind == StepKind.DmaWrite;
        byte[] moved = isWrite ? step.Bytes : ours.Data;
        byte[] there = new byte[Math.Min(moved.Length, 4096 - (int)(target & 0xFFF))];
        if (!_memory.TryRead(new PhysicalAddress(target), there.AsSpan()) || !moved.AsSpan().StartsWith(there))
            return;
        if (!_pagesUsed.TryGetValue((step.Source, step.Address >> 12), out HashSet<ulong>? frames))
            _pagesUsed[(step.Source, step.Address >> 12)] = frames = [];
        _ = frames.Add(target & ~0xFFFul);
        TablePath path = Follow(step.Source, step.Address);
        if (isWrite && path.IsFirstStage)
            _ = _dirtied.Add(path.Entries[^1].Place);
    }

    // One doubleword of the window is written. What is set off by the low half is set off before the high half comes.
    private void Write(int offset, uint value)
    {
        switch (offset)
        {
            case GlobalCommand:
                Command(new(value));
                break;
            case FaultStatus:
                WriteFaultStatus(value);
                break;
            case QueueTail:
                Queues(queue => queue.WriteTail(Written(QueueTail, 8)));
                break;
            case QueueAddress or QueueAddress + 4:
                Manual.WriteAddress(Written(QueueAddress, 8));
                Recorder.WriteAddress(Written(QueueAddress, 8));
                break;
            case CompletionStatus:
                Queues(queue => queue.WriteCompletionStatus(value));
                break;
            case >= 0x38 and <= 0x44:
                WriteEvent(Faults.Event, offset, 0x38, value);
                WriteEvent(RecorderFaults.Event, offset, 0x38, value);
                break;
            case >= 0xA0 and <= 0xAC:
                WriteEvent(Manual.Completion, offset, 0xA0, value);
                WriteEvent(Recorder.Completion, offset, 0xA0, value);
                break;
            default:
                WriteElsewhere(offset, value);
                break;
        }
    }

    private void WriteElsewhere(int offset, uint value)
    {
        if (offset == _names.FaultRecord + 12)
        {
            Faults.WriteHigh((ulong)value << 32);
            RecorderFaults.WriteHigh((ulong)value << 32);
        }

        // The top byte of a command starts it; bits 61:60 of the IOTLB's say what it asks for.
        bool isIotlb = offset == _names.OffsetOf("IOTLB") + 4;
        if (value >> 31 == 0 || (!isIotlb && offset != _names.OffsetOf("CCMD") + 4))
            return;
        CommandedUnderQueue |= Manual.IsEnabled;
        MayBeStale &= Manual.IsEnabled || !isIotlb || (value & 0x3000_0000) == 0;
    }

    private void WriteFaultStatus(uint value)
    {
        Faults.WriteStatus(value);
        RecorderFaults.WriteStatus(value);
        Queues(queue => queue.WriteStatus(value));
    }

    private void Command(Bits64 value)
    {
        if (value.Bit(30))
        {
            RootTable = Written(RootTableAddress, 8);
            MayBeStale = !Hardware.Capabilities.EnhancedSetRootPointer;
        }

        InterruptTable = value.Bit(24) ? Written(InterruptTableAddress, 8) : InterruptTable;
        CompatibilityAsked = value.Bit(23);
        MayBeStale |= value.Bit(31) != TranslationAsked;
        TranslationAsked = value.Bit(31);
        Queues(queue => queue.WriteEnable(value.Bit(26)));
    }

    // Both queues do it; when the manual's stops, the fault log hears of it.
    private void Queues(Action<QueueModel> what)
    {
        bool wasStopped = Manual.IsStopped;
        bool wasRecorderStopped = Recorder.IsStopped;
        ulong invalidations = Manual.TranslationInvalidations;
        what(Manual);
        what(Recorder);
        MayBeStale &= Manual.TranslationInvalidations == invalidations;
        if (Manual.IsStopped && (!wasStopped || (Faults.Status & 0x10) == 0))
            Faults.QueueStopped();
        if (Recorder.IsStopped && (!wasRecorderStopped || (RecorderFaults.Status & 0x10) == 0))
            RecorderFaults.QueueStopped();
    }

    private void WriteEvent(EventModel model, int offset, int control, uint value)
    {
        uint upper = Hardware.ExtendedCapabilities.ExtendedInterruptMode ? (uint)Written(control + 12, 4) : 0;
        model.Message = ((uint)Written(control + 4, 4), (uint)Written(control + 8, 4), upper);
        if (offset == control)
            model.Mask((value >> 31) != 0);
    }
}
