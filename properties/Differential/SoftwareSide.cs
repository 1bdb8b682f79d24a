using System.Globalization;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Does what a step says on both machines, as one piece of software would that looks at ours alone.</summary>
internal sealed class SoftwareSide(OurMachine ours, IDifferentialMachine theirs)
{
    private const int TailRegister = RegisterOffsets.InvalidationQueueTail;

    private const uint RepairStatus = 1;

    // Events go where interrupts go.
    private const ulong InterruptAddress = 0xFEE0_0000;

    private readonly int _record = RegisterOffsets.FaultRecord(ours.Profile.Capabilities, 0);
    private readonly int _iotlb = RegisterOffsets.IotlbInvalidate(ours.Profile.ExtendedCapabilities);
    private readonly int _address = RegisterOffsets.InvalidateAddress(ours.Profile.ExtendedCapabilities);
    private TranslationTableMode _mode;

    /// <summary>The root table in use.</summary>
    public ulong Root { get; private set; }

    /// <summary>Whether requests are translated.</summary>
    public bool IsTranslating => Status.TranslationEnabled;

    private GlobalStatus Status => new(new(Register(RegisterOffsets.GlobalStatus, 4)));

    private ulong DescriptorBytes => _mode == TranslationTableMode.Legacy ? 16u : 32u;

    private ulong QueueBytes => 4096ul << new InvalidationQueueAddress(new(Register(RegisterOffsets.InvalidationQueueAddress, 8))).SizeCode;

    /// <summary>Tables, a root table, empty caches, and translation on.</summary>
    public void Begin(DifferentialProgram program)
    {
        _mode = program.Mode;
        BaseTables.Write(program.Mode, program.Width, Put);
        SetRoot(new RootTableAddress { Table = new(Ground.Root(0)), Mode = program.Mode }.Raw.Value);
        WriteRegister(RegisterOffsets.ContextCommand, 8, new ContextCommand { RequestedGranularity = ContextGranularity.Global, Invalidate = true }.Raw.Value);
        WriteRegister(_iotlb, 8, new IotlbInvalidate { RequestedGranularity = IotlbGranularity.Global, Invalidate = true }.Raw.Value);
        WriteRegister(RegisterOffsets.FaultEventAddress, 4, InterruptAddress);
        WriteRegister(RegisterOffsets.InvalidationEventAddress, 4, InterruptAddress);
        Command(status => status with { TranslationEnable = true });
    }

    /// <summary>Does a step.</summary>
    /// <param name="step">The step.</param>
    /// <param name="found">Where differences go that only this step can see.</param>
    /// <param name="past">Is told what was invalidated.</param>
    public void Play(DifferentialStep step, List<(string What, ulong Ours, ulong Theirs, string Text)> found, Past past)
    {
        switch (step)
        {
            case PutStep put:
                for (int word = 0; word < put.Values.Length; word++)
                    Put(put.Address + (8ul * (ulong)word), put.Values[word]);
                break;
            case DmaStep dma:
                Move(dma, found);
                break;
            case InvalidateIotlbStep invalidate:
                Invalidate(invalidate, found, past);
                break;
            case InvalidateContextStep invalidate:
                Invalidate(invalidate, found, past);
                break;
            case SubmitStep submit:
                _ = Submit(new(submit.Word0, submit.Word1, submit.Word2, submit.Word3));
                break;
            case StartQueueStep start:
                StartQueue(start.SizeCode);
                break;
            case StopQueueStep:
                StopQueue();
                break;
            case RepairQueueStep:
                RepairQueue();
                break;
            case SwitchTranslationStep turn:
                Command(status => status with { TranslationEnable = turn.On });
                break;
            case SetRootStep root:
                SetRoot(root.Value);
                break;
            case ClearFaultsStep clear:
                if (clear.Record)
                    WriteRegister(_record + 8, 8, 1ul << 63);
                WriteRegister(RegisterOffsets.FaultStatus, 4, clear.Status);
                break;
            case ProbeStep probe:
                WriteRegister(probe.Offset, probe.Width, probe.Value);
                Compare(probe.Name, probe.Offset, probe.Width, found);
                break;
            case PeekStep peek:
                Compare("peek", peek.Offset, peek.Width, found);
                break;
            default:
                throw new InvalidOperationException($"Nobody plays {step}.");
        }
    }

    /// <summary>Makes the machines alike again where they were allowed to differ: our memory becomes theirs, and no fault and no completion is left.</summary>
    public void Reconcile()
    {
        byte[] memory = new byte[Ground.ComparedBytes];
        Assert.True(theirs.Memory.TryRead(new PhysicalAddress(0), memory.AsSpan()) && ours.Memory.TryWrite(new PhysicalAddress(0), memory));
        WriteRegister(_record + 8, 8, 1ul << 63);
        WriteRegister(RegisterOffsets.FaultStatus, 4, new FaultStatus { PrimaryFaultOverflow = true, InvalidationTimeout = true }.Raw.Value);
        WriteRegister(RegisterOffsets.InvalidationCompletionStatus, 4, new InvalidationCompletionStatus { WaitComplete = true }.Raw.Value);
        if (HasQueueError(ours) != HasQueueError(theirs))
            RepairQueue();
    }

    private void Move(DmaStep dma, List<(string, ulong, ulong, string)> found)
    {
        // Without translation devices would reach what else is in a PC. They stay in memory, above the hole.
        ulong address = IsTranslating ? dma.Address : Ground.HoleEnd + (dma.Address & 0x3F_FFFF);
        if (dma.Write)
        {
            ours.Write(dma.Device, address, dma.Pattern, dma.Length);
            theirs.Write(dma.Device, address, dma.Pattern, dma.Length);

            // What was refused here may have landed anywhere there.
            if (ours.Answers.Exists(access => access.Answer.Fault != FaultReason.None) && Ground.Difference(ours.Memory, theirs.Memory) is { } place)
                found.Add(("memory", 0, 0, $"memory differs {place}"));
            foreach (PageAccess access in ours.Answers.Where(access => access.Answer.Fault == FaultReason.None))
                ComparePage(access.Answer.Target, found);
            return;
        }

        byte[] here = new byte[dma.Length];
        byte[] there = new byte[dma.Length];
        ours.Read(dma.Device, address, here);
        theirs.Read(dma.Device, address, there);
        int at = here.AsSpan().CommonPrefixLength(there);
        if (at != dma.Length)
            found.Add(("data", 0, 0, $"byte {at} read is 0x{here[at]:x2} here and 0x{there[at]:x2} there"));
    }

    private void ComparePage(ulong target, List<(string, ulong, ulong, string)> found)
    {
        byte[] here = new byte[4096];
        byte[] there = new byte[4096];
        PhysicalAddress page = new(target & ~0xFFFul);
        if (target >= Ground.MemoryBytes || !ours.Memory.TryRead(page, here.AsSpan()) || !theirs.Memory.TryRead(page, there.AsSpan()))
            return;
        int at = here.AsSpan().CommonPrefixLength(there);
        if (at != here.Length)
            found.Add(("memory", 0, 0, $"memory at 0x{page.Value + (ulong)at:x} is 0x{here[at]:x2} here and 0x{there[at]:x2} there"));
    }

    private void Invalidate(InvalidateIotlbStep step, List<(string, ulong, ulong, string)> found, Past past)
    {
        bool done;
        if (Status.QueuedInvalidationEnabled)
        {
            done = Submit(step.Descriptor);
        }
        else
        {
            WriteRegister(_address, 8, new InvalidateAddress { Address = new(step.Address), AddressMask = step.Mask }.Raw.Value);
            IotlbInvalidate command = new() { RequestedGranularity = step.Granularity, DomainId = new(step.Domain), Invalidate = true };
            WriteRegister(_iotlb, 8, command.Raw.Value);
            Compare("IOTLB", _iotlb, 8, found);
            done = new IotlbInvalidate(new(Register(_iotlb, 8))).ActualGranularity != IotlbGranularity.Reserved;
        }

        if (!done)
            return;
        past.Invalidated(new(
            Context: false,
            Domain: step.Granularity == IotlbGranularity.Global ? null : step.Domain,
            Address: step.Address,
            Mask: step.Granularity == IotlbGranularity.Page ? step.Mask : null));
    }

    private void Invalidate(InvalidateContextStep step, List<(string, ulong, ulong, string)> found, Past past)
    {
        bool done;
        if (Status.QueuedInvalidationEnabled)
        {
            done = Submit(step.Descriptor);
        }
        else
        {
            ContextCommand command = new()
            {
                RequestedGranularity = step.Granularity,
                DomainId = new(step.Domain),
                Source = Ground.Devices[step.Device],
                Invalidate = true,
            };
            WriteRegister(RegisterOffsets.ContextCommand, 8, command.Raw.Value);
            Compare("CCMD", RegisterOffsets.ContextCommand, 8, found);
            done = new ContextCommand(new(Register(RegisterOffsets.ContextCommand, 8))).ActualGranularity != ContextGranularity.Reserved;
        }

        if (!done)
            return;
        past.Invalidated(new(
            Context: true,
            Domain: step.Granularity == ContextGranularity.Domain ? step.Domain : null,
            Device: step.Granularity == ContextGranularity.Device ? step.Device : null));
    }

    // Whether the unit carried it out.
    private bool Submit(Bits256 descriptor)
    {
        ulong tail = Register(TailRegister, 8);
        ulong next = (tail + DescriptorBytes) % QueueBytes;
        if (!Status.QueuedInvalidationEnabled || tail >= QueueBytes || tail % DescriptorBytes != 0 || next == Register(RegisterOffsets.InvalidationQueueHead, 8))
            return false;
        for (int word = 0; word < (int)DescriptorBytes / 8; word++)
            Put(Ground.Queue + tail + (8ul * (ulong)word), descriptor.Word(word));
        WriteRegister(TailRegister, 8, next);
        return !HasQueueError(ours) && Register(RegisterOffsets.InvalidationQueueHead, 8) == next;
    }

    private void StartQueue(int sizeCode)
    {
        if (Status.QueuedInvalidationEnabled)
            return;
        InvalidationQueueAddress queue = new() { Table = new(Ground.Queue), SizeCode = sizeCode, WideDescriptors = _mode != TranslationTableMode.Legacy };
        WriteRegister(TailRegister, 8, 0);
        WriteRegister(RegisterOffsets.InvalidationQueueAddress, 8, queue.Raw.Value);
        Command(status => status with { QueuedInvalidationEnable = true });
    }

    private void StopQueue()
    {
        if (!Status.QueuedInvalidationEnabled)
            return;
        RepairQueue();
        _ = Submit(Wait());
        Command(status => status with { QueuedInvalidationEnable = false });
    }

    // Where one machine alone has stopped, the other one is already past the descriptor.
    private void RepairQueue()
    {
        IDifferentialMachine? stopped = HasQueueError(ours) ? ours : HasQueueError(theirs) ? theirs : null;
        if (!Status.QueuedInvalidationEnabled || stopped is null)
            return;
        ulong head = stopped.ReadRegisters((RegisterOffsets.InvalidationQueueHead, 8))[0];
        for (ulong slot = 0; slot < QueueBytes; slot += DescriptorBytes)
        {
            for (int word = 0; word < (int)DescriptorBytes / 8; word++)
                Put(Ground.Queue + slot + (8ul * (ulong)word), Wait().Word(word));
        }

        // The tail first, for it may be what was wrong.
        WriteRegister(TailRegister, 8, (head + DescriptorBytes) % QueueBytes);
        WriteRegister(RegisterOffsets.FaultStatus, 4, new FaultStatus { InvalidationQueueError = true }.Raw.Value);
        WriteRegister(TailRegister, 8, (head + DescriptorBytes) % QueueBytes);
        Put(Ground.Status, RepairStatus);
    }

    private static bool HasQueueError(IDifferentialMachine machine) =>
        new FaultStatus(new(machine.ReadRegisters((RegisterOffsets.FaultStatus, 4))[0])).InvalidationQueueError;

    private static Bits256 Wait() => InvalidateIotlbStep.Wide(new WaitDescriptor
    {
        Type = InvalidationDescriptorType.Wait,
        StatusWrite = true,
        StatusAddress = new(Ground.Status),
        StatusData = RepairStatus,
    }.Raw);

    private void SetRoot(ulong value)
    {
        WriteRegister(RegisterOffsets.RootTableAddress, 8, value);
        Command(status => status with { SetRootTablePointer = true });
        Root = Register(RegisterOffsets.RootTableAddress, 8);
    }

    // One bit changes; the others stay what the status says.
    private void Command(Func<GlobalCommand, GlobalCommand> change)
    {
        GlobalStatus status = Status;
        GlobalCommand levels = new()
        {
            TranslationEnable = status.TranslationEnabled,
            QueuedInvalidationEnable = status.QueuedInvalidationEnabled,
            InterruptRemappingEnable = status.InterruptRemappingEnabled,
        };
        WriteRegister(RegisterOffsets.GlobalCommand, 4, change(levels).Raw.Value);
    }

    // Fault records are compared after each step, as far as they say something.
    private void Compare(string name, int offset, int width, List<(string, ulong, ulong, string)> found)
    {
        if (offset >= _record)
            return;
        ulong here = Register(offset, width);
        ulong there = theirs.ReadRegisters((offset, width))[0];
        if (here != there)
            found.Add((name, here, there, string.Create(CultureInfo.InvariantCulture, $"{name} (0x{offset:x}) is 0x{here:x} here and 0x{there:x} there")));
    }

    private ulong Register(int offset, int width) => ours.ReadRegisters((offset, width))[0];

    private void Put(ulong address, ulong value)
    {
        ours.Put(address, value);
        theirs.Put(address, value);
    }

    private void WriteRegister(int offset, int width, ulong value)
    {
        ours.WriteRegister(offset, width, value);
        theirs.WriteRegister(offset, width, value);
    }
}
