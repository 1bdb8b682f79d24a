using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>Invalidates through the queue in memory (VT-d, queued invalidation interface).</summary>
/// <remarks>
/// One request is under way at a time: its descriptors, then one that waits for them and writes a number into memory.
/// When the queue stops at an error, the descriptor there is replaced by one that does nothing, the error is cleared,
/// and once the queue has run dry everything is invalidated instead of what was asked for.
/// </remarks>
internal sealed class InvalidationQueue : IInvalidator
{
    // One page of descriptors of 128 bits, many more than one request needs.
    private const int SlotBytes = 16;
    private const int Slots = FrameAllocator.FrameSize / SlotBytes;
    private const int StopsMax = 8;

    private static readonly GlobalCommand _enable = new() { QueuedInvalidationEnable = true };

    private readonly UnitRegisters _registers;
    private readonly TableMemory _memory;
    private readonly GuestPhysicalAddress _ring;
    private readonly GuestPhysicalAddress _status;
    private readonly IotlbDescriptor _iotlb;
    private readonly WaitDescriptor _wait;
    private readonly Gate _gate = new();
    private int _tail;
    private uint _number;

    private InvalidationQueue(UnitRegisters registers, UnitCapabilities unit, TableMemory memory, GuestPhysicalAddress ring, GuestPhysicalAddress status)
    {
        _registers = registers;
        _memory = memory;
        _ring = ring;
        _status = status;
        _iotlb = new()
        {
            Type = InvalidationDescriptorType.Iotlb,
            DrainReads = unit.Capability.ReadDrain,
            DrainWrites = unit.Capability.WriteDrain,
        };
        _wait = new() { Type = InvalidationDescriptorType.Wait, StatusWrite = true, StatusAddress = TableMemory.ForUnit(status) };
    }

    public ulong Requests { get; private set; }

    /// <summary>How often the queue stopped at an error.</summary>
    public ulong Stops { get; private set; }

    /// <summary>Why it stopped last.</summary>
    public InvalidationQueueError LastError { get; private set; }

    private int Head => new InvalidationQueueHead(new(_registers.Window.Read64(RegisterOffsets.InvalidationQueueHead))).Offset % Slots;

    /// <summary>A queue that is not turned on yet; null when no frames are left for it.</summary>
    public static InvalidationQueue? TryCreate(UnitRegisters registers, UnitCapabilities unit, TableMemory memory)
    {
        if (!memory.TryAllocate(out GuestPhysicalAddress ring))
            return null;
        if (memory.TryAllocate(out GuestPhysicalAddress status))
            return new(registers, unit, memory, ring, status);
        memory.Free(ring);
        return null;
    }

    public async ValueTask Start()
    {
        // The tail must be zero before the queue is turned on: it begins at its first slot.
        _registers.Window.Write64(RegisterOffsets.InvalidationQueueTail, 0);
        _registers.Window.Write64(RegisterOffsets.InvalidationQueueAddress, new InvalidationQueueAddress { Table = TableMemory.ForUnit(_ring) }.Raw.Value);
        await _registers.Command(_enable);
    }

    public async ValueTask Stop()
    {
        await _gate.Enter();
        try
        {
            await _registers.Command(_enable, turnOn: false);
            Free();
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Gives the memory of a queue back that is not turned on.</summary>
    public void Free()
    {
        _memory.Free(_ring);
        _memory.Free(_status);
    }

    public async ValueTask Invalidate(InvalidationRequest request)
    {
        await _gate.Enter();
        try
        {
            Requests++;
            _registers.Cpu.Processor.Charge(Cost.Invalidation);
            if (!await TrySubmit(request) && !await TrySubmit(request.Widest))
                throw _registers.Broken($"its invalidation queue stopped twice, the last time with {LastError}");
        }
        finally
        {
            _gate.Leave();
        }
    }

    // False when the queue stopped on the way, so that not all of the request may have been done.
    private async ValueTask<bool> TrySubmit(InvalidationRequest request)
    {
        uint number = ++_number;
        Enqueue(request, number);
        ulong stopsBefore = Stops;
        Backoff backoff = new(_registers.TimeoutNs);
        while (_memory.Read32(_status) != number)
        {
            FaultStatus status = new(new(_registers.Window.Read32(RegisterOffsets.FaultStatus)));
            if (status.InvalidationQueueError)
            {
                if (Stops - stopsBefore == StopsMax)
                    throw _registers.Broken($"its invalidation queue does not get past an error, the last time {LastError}");
                Resume();
            }
            else if (Stops != stopsBefore && Head == _tail)
            {
                // It ran dry without a number: the descriptor that was replaced was the one that would have written it.
                return false;
            }
            else if (backoff.TryNext(out ulong delayNs))
            {
                await _registers.Cpu.Processor.Delay(delayNs);
            }
            else
            {
                throw _registers.Broken("its invalidation queue did not come to the end of a request");
            }
        }

        return Stops == stopsBefore;
    }

    private void Enqueue(InvalidationRequest request, uint number)
    {
        if (request.Context != ContextGranularity.Reserved)
        {
            Put(new ContextCacheDescriptor
            {
                Type = InvalidationDescriptorType.ContextCache,
                Granularity = request.Context,
                DomainId = request.ContextDomain,
                Source = request.Source,
            }.Raw);
        }

        if (request.Iotlb != IotlbGranularity.Reserved)
        {
            Put((_iotlb with
            {
                Granularity = request.Iotlb,
                DomainId = request.Domain,
                Address = request.Address,
                AddressMask = request.AddressMask,
                Hint = request.LeafOnly,
            }).Raw);
        }

        if (request.Interrupts != InterruptScope.None)
        {
            Put(new InterruptEntryCacheDescriptor
            {
                Type = InvalidationDescriptorType.InterruptEntryCache,
                IndexSelective = request.Interrupts == InterruptScope.Entries,
                Index = request.InterruptIndex,
                IndexMask = request.InterruptMask,
            }.Raw);
        }

        Put((_wait with { StatusData = number }).Raw);
        _registers.Window.Write64(RegisterOffsets.InvalidationQueueTail, new InvalidationQueueTail { Offset = _tail }.Raw.Value);
    }

    private void Put(Bits128 descriptor)
    {
        _memory.Write128(_ring + (ulong)(_tail * SlotBytes), descriptor);
        _tail = (_tail + 1) % Slots;
    }

    // The queue stands at the offending slot and fetches it again as soon as the error is cleared.
    private void Resume()
    {
        Stops++;
        LastError = new InvalidationQueueErrorRecord(new(_registers.Window.Read64(RegisterOffsets.InvalidationQueueErrorRecord))).Error;
        _memory.Write128(_ring + (ulong)(Head * SlotBytes), new WaitDescriptor { Type = InvalidationDescriptorType.Wait }.Raw);
        _registers.Window.Write32(RegisterOffsets.FaultStatus, (uint)new FaultStatus { InvalidationQueueError = true }.Raw.Value);
    }
}
