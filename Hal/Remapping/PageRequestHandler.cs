using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>Empties the page request queue of a unit, has the pages supplied, and answers (VT-d, software handling of page requests).</summary>
/// <remarks>
/// <code>
///   event --> clear PPR --> copy what is between head and tail --> move the head --> groups --> supply --> respond
///                                                                                `--> with PRO: clear it, the queue is empty
/// </code>
/// PPR is cleared before the tail is read: a request that comes later is an event of its own. While PRO is set the unit
/// stores nothing and answers itself, so what is left of groups then belongs to nothing any more.
/// A supplier must not wait for this handler: neither bind, nor end what is served.
/// </remarks>
public sealed class PageRequestHandler
{
    /// <summary>The most pages that a queue can have.</summary>
    public const int QueuePagesMax = 128;

    private const ulong SlotBytes = 32;
    private const int RoundsMax = 8;

    private readonly RemappingDriver _driver;
    private readonly UnitRegisters _registers;
    private readonly TableMemory _memory;
    private readonly ScalableContexts _contexts;
    private readonly GuestPhysicalAddress _ring;
    private readonly Signal _event;
    private readonly Gate _gate = new();
    private readonly Dictionary<(SourceId Source, Pasid? Pasid), IPageSupplier> _suppliers = [];
    private readonly PageRequestGroups _groups;
    private bool _isStopped;

    internal PageRequestHandler(RemappingDriver driver, UnitRegisters registers, TableMemory memory, ScalableContexts contexts, GuestPhysicalAddress ring)
    {
        (_driver, _registers, _memory, _contexts, _ring) = (driver, registers, memory, contexts, ring);
        _event = registers.Cpu.Vector(driver.Options.PageRequestVector);
        _groups = new((int)(RingBytes / SlotBytes));
    }

    /// <summary>How many requests were taken out of the queue.</summary>
    public ulong Requests { get; private set; }

    /// <summary>How many groups were answered.</summary>
    public ulong Responses { get; private set; }

    /// <summary>How often the queue was full.</summary>
    public ulong Overflows { get; private set; }

    private ulong RingBytes => (ulong)_driver.Options.PageRequestQueuePages * FrameAllocator.FrameSize;

    /// <summary>Serves the pages of an address space of a device, and from the first one on lets the device ask at all.</summary>
    /// <param name="source">The device; it must be attached.</param>
    /// <param name="pasid">Whose pages; null for those of requests without PASID.</param>
    /// <param name="supplier">Who supplies them.</param>
    /// <exception cref="InvalidOperationException">They are served already, or the device is not attached.</exception>
    public async ValueTask Serve(SourceId source, Pasid? pasid, IPageSupplier supplier)
    {
        _ = _contexts.PasidsOf(source);
        bool isFirst = !IsServed(source);
        if (!_suppliers.TryAdd((source, pasid), supplier))
            throw new InvalidOperationException($"The pages of {source} with this PASID are served already.");
        if (isFirst)
            await SetPageRequests(source, true);
    }

    /// <summary>Ends that, and when it completes, nothing of it is under way; with the last one the device must not ask any more.</summary>
    /// <remarks>Nothing happens where it is not served.</remarks>
    /// <param name="source">The device, which should have stopped asking.</param>
    /// <param name="pasid">Whose pages.</param>
    public ValueTask Cease(SourceId source, Pasid? pasid) =>
        Cease(source, pasid, async () => _ = await _driver.Invalidator.Invalidate(new() { DrainsPageRequests = true }));

    /// <inheritdoc cref="Cease(SourceId, Pasid?)"/>
    /// <param name="source">The device, which should have stopped asking.</param>
    /// <param name="pasid">Whose pages.</param>
    /// <param name="drain">Waits for page requests under way, and invalidates once more what their answers may have led to.</param>
    internal async ValueTask Cease(SourceId source, Pasid? pasid, Func<ValueTask> drain)
    {
        if (!_suppliers.Remove((source, pasid)))
            return;

        // Wait with a fence, invalidate, wait for page requests under way; once more where the queue was full meanwhile.
        ulong overflows;
        int round = 0;
        do
        {
            overflows = Overflows;
            await drain();
            await Empty();
        }
        while (Overflows != overflows && ++round < RoundsMax);
        _groups.Forget(source, pasid);
        if (IsServed(source))
            return;
        await SetPageRequests(source, false);
        _groups.Forget(source);
    }

    /// <summary>Queue memory for a driver with such options; <c>false</c> where not enough frames lie side by side.</summary>
    /// <param name="options">What was decided.</param>
    /// <param name="unit">What the unit can do.</param>
    /// <param name="memory">Where tables come from.</param>
    /// <param name="ring">The queue; null where no device can ask for pages.</param>
    internal static bool TryAllocateQueue(RemappingOptions options, UnitCapabilities unit, TableMemory memory, out GuestPhysicalAddress? ring)
    {
        ring = null;
        if (!options.Scalable || !unit.Extended.PageRequests || options.PageRequestVector == 0)
            return true;
        bool found = memory.TryAllocate((ulong)options.PageRequestQueuePages, out GuestPhysicalAddress first);
        ring = first;
        return found;
    }

    internal bool IsServed(SourceId source) => _suppliers.Keys.Any(key => key.Source == source);

    /// <summary>Gives the queue to the unit and waits for its events for as long as the machine runs.</summary>
    internal void Start()
    {
        RegisterWindow window = _registers.Window;
        window.Write64(RegisterOffsets.PageRequestQueueHead, 0);
        window.Write64(RegisterOffsets.PageRequestQueueTail, 0);
        PageRequestQueueAddress queue = new()
        {
            Table = TableMemory.ForUnit(_ring),
            SizeCode = System.Numerics.BitOperations.Log2((uint)_driver.Options.PageRequestQueuePages),
        };
        window.Write64(RegisterOffsets.PageRequestQueueAddress, queue.Raw.Value);
        Write(new() { Pending = true, Overflow = true });
        MessageInterrupt message = MessageInterrupt.To(_registers.Cpu.ApicId, _driver.Options.PageRequestVector);
        window.Write32(RegisterOffsets.PageRequestEventData, message.Data);
        window.Write32(RegisterOffsets.PageRequestEventAddress, (uint)message.Address);
        if (_driver.Unit.Extended.ExtendedInterruptMode)
            window.Write32(RegisterOffsets.PageRequestEventUpperAddress, (uint)(message.Address >> 32));
        window.Write32(RegisterOffsets.PageRequestEventControl, 0);
        _registers.Cpu.Processor.Loop.Start(Run);
    }

    /// <summary>Holds events back and gives the memory of the queue back; translation is off.</summary>
    internal void Stop()
    {
        _isStopped = true;
        _registers.Window.Write32(RegisterOffsets.PageRequestEventControl, (uint)new EventControl { Mask = true }.Raw.Value);
        _registers.Window.Write64(RegisterOffsets.PageRequestQueueAddress, 0);
        _memory.Free(_ring, (ulong)_driver.Options.PageRequestQueuePages);
        _suppliers.Clear();
    }

    private async Task Run()
    {
        while (await _registers.Cpu.Processor.Wait(_event))
            await Empty();
    }

    // One round takes what is there when it begins. What comes meanwhile raises the event again.
    private async ValueTask Empty()
    {
        await _gate.Enter();
        try
        {
            if (_isStopped)
                return;
            Write(new() { Pending = true });
            List<PageRequestGroup> groups = [];
            ulong tail = _registers.Window.Read64(RegisterOffsets.PageRequestQueueTail) % RingBytes;
            for (ulong head = _registers.Window.Read64(RegisterOffsets.PageRequestQueueHead) % RingBytes; head != tail; head = (head + SlotBytes) % RingBytes)
            {
                Requests++;
                if (_groups.Take(new(_memory.Read256(_ring + head))) is { } group)
                    groups.Add(group);
            }

            _registers.Window.Write64(RegisterOffsets.PageRequestQueueHead, tail);
            RecoverFromOverflow();
            foreach (PageRequestGroup group in groups)
                await Answer(group);
        }
        finally
        {
            _gate.Leave();
        }
    }

    // Only now that the queue is empty, for the unit stores nothing while PRO is set.
    private void RecoverFromOverflow()
    {
        PageRequestStatus status = new(new(_registers.Window.Read32(RegisterOffsets.PageRequestStatus)));
        if (!status.Overflow)
            return;
        Overflows++;
        _groups.ForgetAll();
        Write(new() { Overflow = true });
    }

    private async ValueTask Answer(PageRequestGroup group)
    {
        PageResponseCode code = !_isStopped && _suppliers.TryGetValue((group.Source, group.Pasid), out IPageSupplier? supplier)
            ? await supplier.Supply(group)
            : PageResponseCode.InvalidRequest;
        if (_isStopped)
            return;
        Responses++;
        await ((InvalidationQueue)_driver.Invalidator).Respond(new()
        {
            Type = InvalidationDescriptorType.PageGroupResponse,
            PasidPresent = group.Pasid is not null,
            Pasid = group.Pasid ?? default,
            Requester = group.Source,
            Group = group.Number,
            Code = code,
        });
    }

    // A context entry that is present changes, and with it what is cached of all that it leads to.
    private async ValueTask SetPageRequests(SourceId source, bool enabled)
    {
        _contexts.SetPageRequests(source, enabled);
        await _driver.Invalidator.Invalidate(InvalidationRequest.Everything);
    }

    private void Write(PageRequestStatus status) => _registers.Window.Write32(RegisterOffsets.PageRequestStatus, (uint)status.Raw.Value);
}
