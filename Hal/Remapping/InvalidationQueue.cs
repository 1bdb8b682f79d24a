using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>Invalidates through the queue in memory (VT-d, queued invalidation interface).</summary>
/// <remarks>
/// One request is under way at a time: its descriptors, then one that waits for them and writes a number into memory. For
/// scalable mode the descriptors have 256 bits, of which the upper half is always zero.
/// When the queue stops at an error, the descriptor there is replaced by one that does nothing, the error is cleared,
/// and once the queue has run dry everything is invalidated instead of what was asked for. A device that does not
/// complete an invalidation in time is told on, everything is invalidated, and the others are asked again: the unit has
/// aborted the wait for all of them.
/// </remarks>
internal sealed class InvalidationQueue : IInvalidator
{
    private const int StopsMax = 8;
    private const int NoSlot = -1;
    private const int DevicesAtATime = 32;

    // Every device takes one invalidation, however few it takes.
    private const int OneAtATime = 1;

    private static readonly GlobalCommand _enable = new() { QueuedInvalidationEnable = true };

    private readonly UnitRegisters _registers;
    private readonly TableMemory _memory;
    private readonly UnitCapabilities _unit;

    // One page of descriptors, many more than one request needs.
    private readonly bool _isScalable;
    private readonly int _slotBytes;
    private readonly int _slots;
    private readonly GuestPhysicalAddress _ring;
    private readonly GuestPhysicalAddress _status;
    private readonly IotlbDescriptor _iotlb;
    private readonly WaitDescriptor _wait;
    private readonly ulong _deviceTimeoutNs;
    private readonly Gate _gate = new();
    private int _tail;
    private int _replaced = NoSlot;
    private uint _number;
    private SourceId? _silent;

    private InvalidationQueue(
        UnitRegisters registers, UnitCapabilities unit, TableMemory memory, RemappingOptions options, GuestPhysicalAddress ring, GuestPhysicalAddress status)
    {
        bool isScalable = options.Scalable;
        _deviceTimeoutNs = options.DeviceTlbTimeoutNs;
        _registers = registers;
        _memory = memory;
        _unit = unit;
        _isScalable = isScalable;
        _slotBytes = isScalable ? 32 : 16;
        _slots = FrameAllocator.FrameSize / _slotBytes;
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

    /// <summary>What is done, before anything is invalidated again, about a device that did not complete an invalidation in time.</summary>
    public Action<SourceId>? DeviceSilent { get; set; }

    // Head and tail registers count in units of 16 bytes.
    private int Head => new InvalidationQueueHead(new(_registers.Window.Read64(RegisterOffsets.InvalidationQueueHead))).Offset * 16 / _slotBytes % _slots;

    /// <summary>A queue that is not turned on yet; null when no frames are left for it.</summary>
    public static InvalidationQueue? TryCreate(UnitRegisters registers, UnitCapabilities unit, TableMemory memory, RemappingOptions options)
    {
        if (!memory.TryAllocate(out GuestPhysicalAddress ring))
            return null;
        if (memory.TryAllocate(out GuestPhysicalAddress status))
            return new(registers, unit, memory, options, ring, status);
        memory.Free(ring);
        return null;
    }

    public async ValueTask Start()
    {
        // The tail must be zero before the queue is turned on: it begins at its first slot.
        _registers.Window.Write64(RegisterOffsets.InvalidationQueueTail, 0);
        _registers.Window.Write64(RegisterOffsets.InvalidationQueueAddress, new InvalidationQueueAddress { Table = TableMemory.ForUnit(_ring), WideDescriptors = _isScalable }.Raw.Value);
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

            // Each turn is the last one, or there is a device less to ask.
            while (!await TrySubmitAll(request) && !(_silent is null && await TrySubmitAll(request.Widest)))
            {
                if (_silent is not { } source)
                    throw _registers.Broken($"its invalidation queue stopped twice, the last time with {LastError}");
                if (!request.Asks(source))
                    throw _registers.Broken($"it says that {source} did not answer, which was not asked");
                DeviceSilent?.Invoke(source);
                request = request.Widest.Without(source);
            }
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Sends a device the answer to a group of page requests; when it completes, the answer is on its way.</summary>
    /// <exception cref="DeviceException">The unit did not take it.</exception>
    public async ValueTask Respond(PageGroupResponseDescriptor response)
    {
        await _gate.Enter();
        try
        {
            Requests++;
            _registers.Cpu.Processor.Charge(Cost.Invalidation);
            for (int attempt = 0; attempt < StopsMax; attempt++)
            {
                int slot = _tail;
                Put(response.Raw);

                // What else the queue lost at a stop is not known; the answer itself is sent again only where it was lost.
                if (await TryFinish(default) || (await TrySubmit(InvalidationRequest.Everything) && _replaced != slot))
                    return;
            }

            throw _registers.Broken($"its invalidation queue takes no response, the last time with {LastError}");
        }
        finally
        {
            _gate.Leave();
        }
    }

    // What the unit has cached first, then what devices have: they would fill themselves again from it.
    private async ValueTask<bool> TrySubmitAll(InvalidationRequest request)
    {
        _silent = null;
        if (!await TrySubmit(request))
            return false;
        int devices = request.DeviceTlbs?.Count ?? 0;
        for (int first = 0; first < devices; first += DevicesAtATime)
        {
            for (int at = first; at < Math.Min(devices, first + DevicesAtATime); at++)
                EnqueueDevice(request, request.DeviceTlbs![at]);
            if (!await TryFinish(request))
                return false;
        }

        return true;
    }

    private void EnqueueDevice(InvalidationRequest request, SourceId device)
    {
        // Pages are named where the IOTLB was told of pages; else all of the address space is meant.
        int mask = request.Iotlb == IotlbGranularity.Page ? request.AddressMask : InvalidationRequest.WholeMask;
        Put(new DeviceTlbDescriptor
        {
            Type = InvalidationDescriptorType.DeviceTlb,
            Source = device,
            PhysicalFunction = device,
            MaximumPending = OneAtATime,
            Size = mask != 0,
            Address = RangeOf(request.Address, mask),
        }.Raw);
        if (!request.AllPasids)
            return;
        Put(new PasidDeviceTlbDescriptor
        {
            Type = InvalidationDescriptorType.PasidDeviceTlb,
            Source = device,
            PhysicalFunction = device,
            MaximumPending = OneAtATime,
            Global = true,
            Size = true,
            Address = RangeOf(default, InvalidationRequest.WholeMask),
        }.Raw);
    }

    // The size stands in the low ones of the address: all ones below bit 63 are everything.
    private static Iova RangeOf(Iova address, int mask) =>
        mask >= InvalidationRequest.WholeMask ? new(long.MaxValue & ~0xFFFul)
        : mask == 0 ? address
        : new(address.Value | ((2048ul << mask) - 4096));

    private ValueTask<bool> TrySubmit(InvalidationRequest request)
    {
        Enqueue(request);
        return TryFinish(request);
    }

    // False when the queue stopped on the way, so that not all of the request may have been done, or a device was silent.
    private async ValueTask<bool> TryFinish(InvalidationRequest request)
    {
        uint number = ++_number;
        Put((_wait with { StatusData = number, PageRequestDrain = request.DrainsPageRequests && _unit.Extended.PageRequestDrain }).Raw);
        _registers.Window.Write64(RegisterOffsets.InvalidationQueueTail, new InvalidationQueueTail { Offset = _tail * _slotBytes / 16 }.Raw.Value);
        ulong stopsBefore = Stops;
        Backoff backoff = new(request.AsksDevices ? _deviceTimeoutNs : _registers.TimeoutNs);
        while (_memory.Read32(_status) != number)
        {
            FaultStatus status = new(new(_registers.Window.Read32(RegisterOffsets.FaultStatus)));
            if (status.InvalidationTimeout)
            {
                _silent = TakeTimeout();
                return false;
            }

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

    // The waits are gone; the queue goes on behind them as soon as software says that it knows.
    private SourceId TakeTimeout()
    {
        SourceId source = new InvalidationQueueErrorRecord(new(_registers.Window.Read64(RegisterOffsets.InvalidationQueueErrorRecord))).TimeoutSource;
        _registers.Window.Write32(RegisterOffsets.FaultStatus, (uint)new FaultStatus { InvalidationTimeout = true }.Raw.Value);
        return source;
    }

    // First what tells how translations come about, from the top down, then the translations, last those in devices:
    // whatever is refilled meanwhile is refilled from what is new.
    private void Enqueue(InvalidationRequest request)
    {
        if (request.DrainsPageRequests)
            Put(new WaitDescriptor { Type = InvalidationDescriptorType.Wait, Fence = true }.Raw);
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

        EnqueuePasidEntries(request);
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

        EnqueuePasidTranslations(request);
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

    }

    // In scalable mode a context entry leads to PASID entries: what is cached of those goes with it.
    private void EnqueuePasidEntries(InvalidationRequest request)
    {
        PasidCacheDescriptor pasids = new() { Type = InvalidationDescriptorType.PasidCache, DomainId = request.Domain, Pasid = request.Pasid };
        if (request.PasidEntry)
        {
            Put((pasids with { Granularity = PasidCacheGranularity.Pasid }).Raw);

            // One that was not present is cached as one of domain 0, if at all.
            if (_unit.Capability.CachingMode)
                Put((pasids with { Granularity = PasidCacheGranularity.Pasid, DomainId = default }).Raw);
        }
        else if (_isScalable && request.Context == ContextGranularity.Global)
        {
            Put(new PasidCacheDescriptor { Type = InvalidationDescriptorType.PasidCache, Granularity = PasidCacheGranularity.Global }.Raw);
        }
        else if (_isScalable && request.Context != ContextGranularity.Reserved)
        {
            Put(new PasidCacheDescriptor { Type = InvalidationDescriptorType.PasidCache, DomainId = request.ContextDomain }.Raw);
        }
    }

    private void EnqueuePasidTranslations(InvalidationRequest request)
    {
        if (request.PasidIotlb != 0)
        {
            bool isPages = request.PasidIotlb == PasidIotlbGranularity.Page;
            Put(new PasidIotlbDescriptor
            {
                Type = InvalidationDescriptorType.PasidIotlb,
                Granularity = request.PasidIotlb,
                DomainId = request.Domain,
                Pasid = request.Pasid,
                Address = isPages ? request.Address : default,
                AddressMask = isPages ? request.AddressMask : 0,
            }.Raw);
        }

        if (request.PasidDevice is not { } device)
            return;
        Put(new PasidDeviceTlbDescriptor
        {
            Type = InvalidationDescriptorType.PasidDeviceTlb,
            Source = device,
            PhysicalFunction = device,
            MaximumPending = OneAtATime,
            Pasid = request.Pasid,
            Size = request.AddressMask != 0,
            Address = RangeOf(request.Address, request.AddressMask),
        }.Raw);
    }

    private void Put(Bits128 descriptor)
    {
        _memory.Write128(_ring + (ulong)(_tail * _slotBytes), descriptor);
        _tail = (_tail + 1) % _slots;
    }

    // The queue stands at the offending slot and fetches it again as soon as the error is cleared.
    private void Resume()
    {
        Stops++;
        LastError = new InvalidationQueueErrorRecord(new(_registers.Window.Read64(RegisterOffsets.InvalidationQueueErrorRecord))).Error;
        _replaced = Head;
        _memory.Write128(_ring + (ulong)(_replaced * _slotBytes), new WaitDescriptor { Type = InvalidationDescriptorType.Wait }.Raw);
        _registers.Window.Write32(RegisterOffsets.FaultStatus, (uint)new FaultStatus { InvalidationQueueError = true }.Raw.Value);
    }
}
