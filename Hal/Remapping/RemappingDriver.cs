using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>Drives one remapping unit, through its registers and memory alone (VT-d, software programming).</summary>
/// <remarks>
/// Its tables are where this software believes physical memory to be: the driver is the same on the host and in a guest
/// that has a remapping unit of its own. Once started, the unit blocks every requester that is not attached.
/// </remarks>
public sealed class RemappingDriver
{
    private static readonly GlobalCommand _translation = new() { TranslationEnable = true };
    private static readonly GlobalCommand _rootPointer = new() { SetRootTablePointer = true };
    private static readonly GlobalCommand _writeBufferFlush = new() { WriteBufferFlush = true };

    private readonly UnitRegisters _registers;
    private readonly TableMemory _memory;
    private readonly IContextTables _contexts;
    private readonly Requesters _requesters;
    private readonly FaultDrain _faults;
    private readonly Signal _faultEvent;
    private readonly FreeBitmap _domainIds;
    private readonly List<RemappingDomain> _domains = [];

    private RemappingDriver(RemappingOptions options, UnitRegisters registers, UnitCapabilities unit, TableMemory memory, RemappingParts parts)
    {
        Options = options;
        Unit = unit;
        Invalidator = parts.Invalidator;
        _registers = registers;
        _memory = memory;
        _contexts = parts.Contexts;
        _faults = new(registers.Window, unit);
        _faultEvent = registers.Cpu.Vector(options.FaultVector);
        _domainIds = new((ulong)unit.DomainCount);
        _requesters = new(this, parts.Contexts);
        Interrupts = parts.InterruptTable is { } table ? new(this, registers, memory, table) : null;
        if (parts.Contexts is ScalableContexts scalable)
        {
            Processes = new(this, scalable);
            FirstStages = new(this, scalable);
            DirtyBits = DirtyBits.CanBeHad(unit) ? new(this, scalable) : null;
            PageRequests = parts.PageRequestQueue is { } ring ? new(this, registers, memory, scalable, ring) : null;
        }

        // With caching mode, entries that are not present may be cached under domain-id 0: no domain may have it.
        if (unit.Capability.CachingMode)
            _domainIds.Take(0, 1);
    }

    /// <summary>CAP of the unit.</summary>
    public CapabilityRegister Capabilities => Unit.Capability;

    /// <summary>ECAP of the unit.</summary>
    public ExtendedCapabilityRegister ExtendedCapabilities => Unit.Extended;

    /// <summary>Whether requesters can be let through without translation.</summary>
    public bool CanPassThrough => Unit.Extended.PassThrough;

    /// <summary>Whether the invalidation queue is used.</summary>
    public bool UsesQueue => Invalidator is InvalidationQueue;

    /// <summary>How many invalidations were asked for and waited for.</summary>
    public ulong Invalidations => Invalidator.Requests;

    /// <summary>How often the invalidation queue stopped at an error and was set going again.</summary>
    public ulong QueueStops => Invalidator is InvalidationQueue queue ? queue.Stops : 0;

    /// <summary>Why the invalidation queue stopped last.</summary>
    public InvalidationQueueError LastQueueError => Invalidator is InvalidationQueue queue ? queue.LastError : InvalidationQueueError.None;

    /// <summary>How often the unit lost faults because all its records were full.</summary>
    public ulong FaultOverflows => _faults.Overflows;

    /// <summary>How often the unit said that a device completed an invalidation which nobody had asked it for.</summary>
    public ulong UnexpectedCompletions => _faults.UnexpectedCompletions;

    /// <summary>Whether devices may be allowed to translate for themselves: the unit answers them, and can tell them to forget.</summary>
    public bool CanUseDeviceTlbs => Unit.Extended.DeviceTlb && UsesQueue;

    /// <summary>The attached requesters that lost everything since they did not answer an invalidation in time.</summary>
    public IEnumerable<SourceId> Quarantined => _requesters.Quarantined;

    /// <summary>How many cache lines of tables were flushed for a unit that does not snoop.</summary>
    public ulong CacheLinesFlushed => _memory.LinesFlushed;

    /// <summary>The interrupts of devices; null while they pass as they are.</summary>
    public InterruptRemapping? Interrupts { get; }

    /// <summary>The processes that share their address spaces with devices; null in legacy mode.</summary>
    public ProcessSpaces? Processes { get; }

    /// <summary>The first stages that guests keep on top of domains; null in legacy mode.</summary>
    public GuestFirstStages? FirstStages { get; }

    /// <summary>The pages that devices ask for; null where none can.</summary>
    public PageRequestHandler? PageRequests { get; }

    /// <summary>What lets the second stage keep dirty bits; null where the unit cannot.</summary>
    internal DirtyBits? DirtyBits { get; }

    /// <summary>How many frames hold tables and the queues.</summary>
    public int FramesInUse => _memory.FramesInUse;

    internal RemappingOptions Options { get; }

    internal UnitCapabilities Unit { get; }

    internal IInvalidator Invalidator { get; }

    /// <summary>Takes a unit over, whatever state it is in, and turns translation on with nothing mapped.</summary>
    /// <param name="cpu">The processor that drives it and takes its fault events.</param>
    /// <param name="registers">The first byte of its registers.</param>
    /// <param name="frames">Where tables come from; all of it within the host address width.</param>
    /// <param name="options">What else is to be decided.</param>
    /// <exception cref="DeviceException">
    /// There is no unit, it lacks something that this driver needs, frames ran out, or it does not do what it must; the text says which.
    /// Except in the last case the unit was not touched and no frame is taken.
    /// </exception>
    public static async ValueTask<RemappingDriver> Start(ICpu cpu, GuestPhysicalAddress registers, FrameAllocator frames, RemappingOptions options)
    {
        options.Check();
        if ((frames.Start.Value + (frames.Length - 1)) >> options.HostAddressWidth != 0)
            throw new ArgumentException("Frames for tables lie beyond the host address width.", nameof(frames));
        RegisterWindow window = new(cpu, registers, options.WindowLength);
        UnitCapabilities unit = UnitCapabilities.Read(window);
        if (options.Scalable ? !unit.CanScale : !unit.HasLegacyTables)
            throw new DeviceException($"The remapping unit at {registers} has no {(options.Scalable ? "scalable mode with a stage to translate by and a queue" : "tables that legacy mode could translate by")}.");
        UnitRegisters unitRegisters = new(cpu, window, options.TimeoutNs);
        TableMemory memory = new(cpu, frames, unit.Extended.CoherentWalks);
        RemappingDriver driver = new(options, unitRegisters, unit, memory, RemappingParts.Allocate(options, unitRegisters, unit, memory));
        await unitRegisters.TurnOff();
        await driver.TurnOn();
        return driver;
    }

    /// <summary>A new address space with nothing mapped in it.</summary>
    /// <param name="width">
    /// How wide its tables are: for the second stage one that CAP.SAGAW has, for the first one 48 bits, or 57 with CAP.FS5LP;
    /// null for the fewest levels that cover all addresses that the unit lets through, and four for the first stage.
    /// </param>
    /// <param name="stage">Which tables it has; null for the second stage where the unit has one in the mode in use.</param>
    /// <exception cref="ArgumentOutOfRangeException">The unit has no such stage in the mode in use, or walks no tables of that width.</exception>
    /// <exception cref="DeviceException">No domain-id or no frame is left.</exception>
    public RemappingDomain CreateDomain(AddressWidth? width = null, TranslationStage? stage = null)
    {
        TranslationStage by = stage ?? (Unit.Has(TranslationStage.Second, Options.Scalable) ? TranslationStage.Second : TranslationStage.First);
        if (!Unit.Has(by, Options.Scalable))
            throw new ArgumentOutOfRangeException(nameof(stage), $"The unit has no {by} stage in this mode.");
        AddressWidth chosen = width ?? (by == TranslationStage.First ? AddressWidth.Bits48 : Unit.FittingTables);
        if (!Unit.Supports(chosen, by))
            throw new ArgumentOutOfRangeException(nameof(width), $"The unit walks no tables for {chosen}.");
        if (!_domainIds.TryTake(1, 1, 0, out ulong id))
            throw new DeviceException($"All {Unit.DomainCount} domain-ids of the unit are taken.");
        RemappingDomain? domain = null;
        try
        {
            DomainTables tables = DomainTables.TryCreate(_memory, PageFormat.Of(by, Unit), UnitCapabilities.LevelsOf(chosen))
                ?? throw new DeviceException("No frame is left for the tables of a domain.");
            domain = new(this, tables, new((ushort)id), chosen, by);
            _domains.Add(domain);
            return domain;
        }
        finally
        {
            if (domain is null)
                _domainIds.Release(id, 1);
        }
    }

    /// <summary>Gives a domain back, with all that is mapped in it and its domain-id.</summary>
    /// <exception cref="InvalidOperationException">A requester is attached to it.</exception>
    public async ValueTask Release(RemappingDomain domain)
    {
        if (domain.Attached != 0)
            throw new InvalidOperationException($"Domain {domain.Id} still has {domain.Attached} requesters.");
        if (!_domains.Remove(domain))
            throw new InvalidOperationException($"Domain {domain.Id} is none of this driver's.");
        await domain.Release();
        _domainIds.Release(domain.Id.Value, 1);
    }

    /// <summary>Lets a requester reach what is mapped in a domain, and nothing else.</summary>
    /// <param name="source">The requester.</param>
    /// <param name="domain">The domain.</param>
    /// <param name="trusted">
    /// The ATS capability of a device that is trusted to translate for itself: it could reach all memory if it lied. Null for
    /// one that is not; without effect unless <see cref="CanUseDeviceTlbs"/>.
    /// </param>
    /// <returns><see cref="DmaRefusal.None"/>, or <see cref="DmaRefusal.Exhausted"/> when no frame is left for the context table of its bus.</returns>
    /// <exception cref="InvalidOperationException">It is attached already.</exception>
    public ValueTask<DmaRefusal> Attach(SourceId source, RemappingDomain domain, DeviceTlbControl? trusted = null) =>
        _domains.Contains(domain)
            ? _requesters.Attach(source, domain, CanUseDeviceTlbs ? trusted : null)
            : throw new InvalidOperationException($"Domain {domain.Id} is none of this driver's.");

    /// <summary>Lets a requester reach all memory, without translation.</summary>
    /// <returns>
    /// <see cref="DmaRefusal.None"/>, or why nothing changed: <see cref="DmaRefusal.Denied"/> unless <see cref="CanPassThrough"/>;
    /// <see cref="DmaRefusal.Exhausted"/> when no frame is left, or no domain-id for all such requesters together.
    /// </returns>
    /// <exception cref="InvalidOperationException">It is attached already.</exception>
    public ValueTask<DmaRefusal> AttachPassThrough(SourceId source) =>
        CanPassThrough ? _requesters.AttachPassThrough(source) : new(DmaRefusal.Denied);

    /// <summary>Takes everything from a requester; when it completes, all its requests are blocked.</summary>
    /// <exception cref="InvalidOperationException">It is not attached.</exception>
    public ValueTask Detach(SourceId source) => _requesters.Detach(source);

    /// <summary>Whether a requester is attached, or an attempt to attach or to detach it broke off in the middle.</summary>
    public bool IsAttached(SourceId source) => _requesters.Find(source) is not null;

    /// <summary>Whether a requester is attached, and translates for itself.</summary>
    public bool UsesDeviceTlb(SourceId source) => _requesters.Find(source)?.Control is { IsEnabled: true };

    /// <summary>The domain that a requester is attached to; null where it is none, or reaches all memory.</summary>
    internal RemappingDomain? DomainOf(SourceId source) => _requesters.Find(source)?.Domain;

    /// <summary>Invalidates on behalf of one requester, and of its TLB if it has one; where that does not answer, it loses everything.</summary>
    internal ValueTask InvalidateFor(SourceId source, InvalidationRequest request) => _requesters.Invalidate(source, request);

    /// <summary>Takes everything from a requester that did not answer; it stays attached by name until it is detached.</summary>
    internal async ValueTask Quarantine(SourceId source)
    {
        // Whoever waits for faults learns of it; the event of the unit came before anybody could be named.
        if (await _requesters.TryQuarantine(source))
            _faultEvent.Raise();
    }

    /// <summary>Waits for a fault event, or for a requester that lost everything; one that came since the last wait counts.</summary>
    /// <param name="timeoutNs">How long at most, in nanoseconds of virtual time.</param>
    /// <returns><c>true</c> when it came, <c>false</c> when time ran out.</returns>
    public ValueTask<bool> WaitForFault(ulong timeoutNs = ulong.MaxValue) =>
        _registers.Cpu.Processor.Wait(_faultEvent, timeoutNs);

    /// <summary>Reads the faults that the unit recorded, oldest first, and makes room for new ones.</summary>
    public IReadOnlyList<FaultReport> DrainFaults()
    {
        List<FaultReport> reports = [];
        _faults.Drain(reports);
        return reports;
    }

    /// <summary>Turns translation off, so that all requests pass untranslated, and gives all memory back; domains must not be used afterwards.</summary>
    public async ValueTask Shutdown()
    {
        _requesters.DisableDeviceTlbs();
        await _registers.Command(_translation, turnOn: false);
        _faults.DisableEvent();
        PageRequests?.Stop();
        await Invalidator.Invalidate(InvalidationRequest.Everything);
        if (Interrupts is { } interrupts)
            await interrupts.Stop();
        await Invalidator.Stop();
        _requesters.Clear();
        foreach (RemappingDomain domain in _domains)
            await domain.Release();
        _domains.Clear();
        _contexts.Free();
    }

    /// <summary>Takes a domain-id that no domain has; <c>false</c> when none is left.</summary>
    internal bool TryTakeDomainId(out DomainId id)
    {
        bool found = _domainIds.TryTake(1, 1, 0, out ulong number);
        id = new((ushort)number);
        return found;
    }

    /// <summary>Gives a domain-id back; the unit must have forgotten all that is tagged with it.</summary>
    internal void ReleaseDomainId(DomainId id) => _domainIds.Release(id.Value, 1);

    /// <summary>Gets table changes out of write buffers, where the unit needs to be told and no invalidation does it anyway.</summary>
    internal ValueTask FlushWriteBuffers() =>
        Unit.Capability.RequiredWriteBufferFlush ? _registers.Command(_writeBufferFlush) : default;

    private async ValueTask TurnOn()
    {
        // Old faults are nobody's; new ones raise the vector.
        _faults.Drain([]);
        _faults.EnableEvent(MessageInterrupt.To(_registers.Cpu.ApicId, Options.FaultVector));

        await Invalidator.Start();

        // The root table, and what must be forgotten about an earlier one.
        _registers.Window.Write64(RegisterOffsets.RootTableAddress, _contexts.Root.Raw.Value);
        await _registers.Command(_rootPointer);
        if (!Unit.Capability.EnhancedSetRootPointer)
            await Invalidator.Invalidate(InvalidationRequest.Everything);
        else
            await FlushWriteBuffers();
        await _registers.Command(_translation);
        if (Interrupts is { } interrupts)
            await interrupts.Start();
        PageRequests?.Start();

        // Regions that firmware protected while there was no translation.
        if (Unit.Capability.ProtectedLowMemory || Unit.Capability.ProtectedHighMemory)
        {
            _registers.Window.Write32(RegisterOffsets.ProtectedMemoryEnable, 0);
            await _registers.WaitFor(RegisterOffsets.ProtectedMemoryEnable, 4, new ProtectedMemoryEnable { Status = true }.Raw.Value, 0);
        }
    }
}
