using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>Invalidates through the queue in memory (VT-d, queued invalidation interface).</summary>
/// <remarks>
/// One request is under way at a time: its descriptors, then one that waits for them and writes a number into memory.
/// When the queue stops at an error, the descriptor there is replaced by one that does nothing, the error is cleared,
/// and once the queue has run dry everything is invalidated instead of what was asked for. Devices with TLBs of their own
/// are told behind a fence, when the unit has nothing left that they could ask it for again. One that does not answer is
/// left out, and the rest is asked again: the unit has aborted the wait for all of them.
/// </remarks>
internal sealed class InvalidationQueue : IInvalidator
{
    private const int StopsMax = 8;

    // A request for more devices goes in pieces, so that it never fills the ring: two descriptors for each.
    private const int DevicesMax = 50;

    private const ulong EverythingAddress = 0x7FFF_FFFF_FFFF_F000;

    private static readonly GlobalCommand _enable = new() { QueuedInvalidationEnable = true };

    private readonly UnitRegisters _registers;
    private readonly TableMemory _memory;
    private readonly UnitCapabilities _unit;

    // One page of descriptors, many more than one request needs: of 256 bits in scalable mode, else of 128.
    private readonly bool _isScalable;
    private readonly int _slotBytes;
    private readonly int _slots;
    private readonly GuestPhysicalAddress _ring;
    private readonly GuestPhysicalAddress _status;
    private readonly IotlbDescriptor _iotlb;
    private readonly WaitDescriptor _wait;
    private readonly ulong _deviceTimeoutNs;
    private readonly Gate _gate = new();
    private int _tail, _shownTail;
    private int _replaced;
    private uint _number;

    private InvalidationQueue(
        UnitRegisters registers, UnitCapabilities unit, TableMemory memory, RemappingOptions options, GuestPhysicalAddress ring, GuestPhysicalAddress status)
    {
        _deviceTimeoutNs = options.DeviceTlbTimeoutNs;
        _unit = unit;
        _isScalable = options.Scalable;
        _slotBytes = _isScalable ? 32 : 16;
        _slots = FrameAllocator.FrameSize / _slotBytes;
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

    // Head and tail registers count in units of 16 bytes.
    private int Head => new InvalidationQueueHead(new(_registers.Window.Read64(RegisterOffsets.InvalidationQueueHead))).Offset * 16 / _slotBytes % _slots;

    /// <summary>A queue that is not turned on yet; null when no frames are left for it.</summary>
    /// <param name="registers">The unit.</param>
    /// <param name="unit">What it can do.</param>
    /// <param name="memory">Where ring and status come from.</param>
    /// <param name="options">What else is to be decided.</param>
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

    public async ValueTask<IReadOnlyList<SourceId>?> Invalidate(InvalidationRequest request, IReadOnlyList<DeviceTlbTarget>? devices = null)
    {
        await _gate.Enter();
        try
        {
            Begin();
            if (devices is not { Count: > 0 })
            {
                await Submit(request, default);
                return null;
            }

            DeviceTlbTarget[] all = [.. devices];
            List<SourceId>? silent = null;
            for (int first = 0; first < all.Length; first += DevicesMax)
                silent = await InvalidateDevices(request, all[first..Math.Min(all.Length, first + DevicesMax)], silent);
            return silent;
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
            Begin();
            for (int attempt = 0; attempt < StopsMax; attempt++)
            {
                int slot = _tail;
                Put(response.Raw);
                if ((await TryFinish(drainsPageRequests: false, _registers.TimeoutNs)).Done)
                    return;

                // What else the queue lost at its stop is not known. The answer is sent again only where it was lost itself.
                bool isLost = _replaced == slot;
                _ = await Submit(InvalidationRequest.Everything, default);
                if (!isLost)
                    return;
            }

            throw _registers.Broken($"its invalidation queue takes no response, the last time with {LastError}");
        }
        finally
        {
            _gate.Leave();
        }
    }

    // What a request that broke off left behind the tail that the unit knows is written over.
    private void Begin()
    {
        _tail = _shownTail;
        Requests++;
        _registers.Cpu.Processor.Charge(Cost.Invalidation);
    }

    // Each turn either succeeds or finds one device less to ask.
    private async ValueTask<List<SourceId>?> InvalidateDevices(InvalidationRequest request, DeviceTlbTarget[] devices, List<SourceId>? silent)
    {
        while (await Submit(request, devices) is { } missing)
        {
            (silent ??= []).Add(missing);
            DeviceTlbTarget[] others = Array.FindAll(devices, device => device.Source != missing);
            if (others.Length == devices.Length)
                throw _registers.Broken($"it names {missing} as a device that does not answer, which was not asked");
            devices = others;
        }

        return silent;
    }

    // The device that did not answer, if there is one.
    private async ValueTask<SourceId?> Submit(InvalidationRequest request, ReadOnlyMemory<DeviceTlbTarget> devices)
    {
        (bool done, SourceId? missing) = await TrySubmit(request, devices);
        if (!done && missing is null)
            (done, missing) = await TrySubmit(request.Widest, devices);
        return done || missing is not null
            ? missing
            : throw _registers.Broken($"its invalidation queue stopped twice, the last time with {LastError}");
    }

    // Not done when the queue stopped on the way, so that not all of the request may have been done, or a device was silent.
    private ValueTask<(bool Done, SourceId? Missing)> TrySubmit(InvalidationRequest request, ReadOnlyMemory<DeviceTlbTarget> devices)
    {
        Enqueue(request, devices.Span);
        return TryFinish(request.DrainsPageRequests, devices.IsEmpty ? _registers.TimeoutNs : _deviceTimeoutNs);
    }

    private async ValueTask<(bool Done, SourceId? Missing)> TryFinish(bool drainsPageRequests, ulong timeoutNs)
    {
        uint number = ++_number;
        Put((_wait with { StatusData = number, PageRequestDrain = drainsPageRequests && _unit.Extended.PageRequestDrain }).Raw);
        _registers.Window.Write64(RegisterOffsets.InvalidationQueueTail, new InvalidationQueueTail { Offset = _tail * _slotBytes / 16 }.Raw.Value);
        _shownTail = _tail;
        ulong stopsBefore = Stops;
        Backoff backoff = new(timeoutNs);
        while (_memory.Read32(_status) != number)
        {
            FaultStatus status = new(new(_registers.Window.Read32(RegisterOffsets.FaultStatus)));
            if (status.InvalidationTimeout)
                return (false, TakeTimeout());
            if (status.InvalidationQueueError)
            {
                if (Stops - stopsBefore == StopsMax)
                    throw _registers.Broken($"its invalidation queue does not get past an error, the last time {LastError}");
                Resume();
            }
            else if (Stops != stopsBefore && Head == _tail)
            {
                // It ran dry without a number: the descriptor that was replaced was the one that would have written it.
                return (false, null);
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

        return (Stops == stopsBefore, null);
    }

    // The waits are gone; the queue goes on behind them as soon as software says that it knows.
    private SourceId TakeTimeout()
    {
        SourceId source = new InvalidationQueueErrorRecord(new(_registers.Window.Read64(RegisterOffsets.InvalidationQueueErrorRecord))).TimeoutSource;
        _registers.Window.Write32(RegisterOffsets.FaultStatus, (uint)new FaultStatus { InvalidationTimeout = true }.Raw.Value);
        return source;
    }

    // First what tells how translations come about, from the top down, then the translations: whatever is filled again
    // meanwhile is filled from what is new.
    private void Enqueue(InvalidationRequest request, ReadOnlySpan<DeviceTlbTarget> devices)
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

        EnqueueDevices(request, devices);
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

    // Behind a fence: what a device asks for after it has forgotten, the unit must have forgotten before.
    private void EnqueueDevices(InvalidationRequest request, ReadOnlySpan<DeviceTlbTarget> devices)
    {
        if (devices.IsEmpty)
            return;
        Put(new WaitDescriptor { Type = InvalidationDescriptorType.Wait, Fence = true }.Raw);
        bool isProcess = request.Pasid.Value != 0;
        bool isPages = request.Iotlb == IotlbGranularity.Page || request.PasidIotlb == PasidIotlbGranularity.Page;
        foreach (DeviceTlbTarget device in devices)
        {
            int pending = device.Control.QueueDepth % AtsCapability.QueueDepthMax;
            if (!isProcess)
            {
                Put(new DeviceTlbDescriptor
                {
                    Type = InvalidationDescriptorType.DeviceTlb,
                    Source = device.Source,
                    PhysicalFunction = device.Source,
                    MaximumPending = pending,
                    Size = !isPages || request.AddressMask != 0,
                    Address = RangeOf(request, isPages),
                }.Raw);
            }

            if (!isProcess && !request.AllPasids)
                continue;
            Put(new PasidDeviceTlbDescriptor
            {
                Type = InvalidationDescriptorType.PasidDeviceTlb,
                Source = device.Source,
                PhysicalFunction = device.Source,
                MaximumPending = pending,
                Pasid = request.Pasid,
                Global = !isProcess,
                Size = !isProcess || !isPages || request.AddressMask != 0,
                Address = RangeOf(request, isPages && isProcess),
            }.Raw);
        }
    }

    // With S, the length is one more one from bit 12 up for each doubling; all ones below bit 63 are everything.
    private static Iova RangeOf(InvalidationRequest request, bool isPages) =>
        !isPages ? new(EverythingAddress)
        : request.AddressMask == 0 ? request.Address
        : new(request.Address.Value | ((2048ul << request.AddressMask) - 4096));

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
