using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>A DMA remapping unit: what stands between bus masters and memory (VT-d).</summary>
/// <remarks>
/// Software reaches it through its window of registers and through tables and queues in memory, and in no other
/// way. Devices reach memory through the ports that it opens. It is as fast as it answers: everything that a
/// register write asks for is done when the write returns, but for what a device with a TLB of its own takes its time over.
/// </remarks>
public sealed partial class RemappingUnit : IDmaFabric, IMmioDevice, IRegisterEffects
{
    private readonly PhysicalMemory _memory;
    private readonly InterruptRemapper _interrupts;
    private readonly RegisterFile _registers;
    private readonly TranslationCaches _caches;
    private readonly EventMessage _faultEvent;
    private readonly EventMessage _completionEvent;
    private readonly FaultLog _faults;
    private readonly ProtectedRegions _regions;
    private readonly Translator _translator;
    private readonly InvalidationQueue _queue;
    private readonly DeviceTlbs _deviceTlbs;
    private readonly PageRequestQueue _pageRequestQueue;
    private readonly PageRequestReceiver? _pageRequests;
    private readonly Dictionary<SourceId, RemappedPort> _ports = [];
    private readonly int _invalidateAddress;
    private readonly int _iotlbInvalidate;
    private readonly int _firstFaultRecord;
    private readonly int _endOfFaultRecords;

    /// <summary>A unit after power-on: translation is off.</summary>
    /// <param name="memory">What it guards, and where its tables are.</param>
    /// <param name="interrupts">Where interrupts of devices and of the unit go.</param>
    /// <param name="profile">Which implementation it is.</param>
    /// <param name="loop">The time in which devices may answer later than at once; null where they have none.</param>
    public RemappingUnit(PhysicalMemory memory, IInterruptSink interrupts, HardwareProfile profile, EventLoop? loop = null)
    {
        Profile = profile;
        _memory = memory;
        _registers = RegisterMap.Create(profile);
        _caches = new(profile) { Tracker = profile.TracksStaleness ? new(memory, profile) : null };
        _faultEvent = new(_registers, RegisterOffsets.FaultEventControl, memory, interrupts);
        _completionEvent = new(_registers, RegisterOffsets.InvalidationEventControl, memory, interrupts);
        _faults = new(_registers, profile, _faultEvent);
        _regions = new(_registers, profile);
        _translator = new(memory, profile, _caches, _faults, _regions);
        _interrupts = new(memory, profile, _caches.Interrupts, _faults, interrupts);
        _deviceTlbs = new(_registers, _faults, loop, profile.DeviceTlbTimeoutNs);
        _queue = new(
            _registers, memory, profile, _faults, _deviceTlbs, new(_registers, memory, profile, _caches, _deviceTlbs, _completionEvent))
        {
            Disabled = () => Status = Status with { QueuedInvalidationEnabled = false },
        };
        _pageRequestQueue = new(_registers, memory, new(_registers, RegisterOffsets.PageRequestEventControl, memory, interrupts));
        if (profile.ExtendedCapabilities.PageRequests)
            _pageRequests = new(new(_translator, _faults), _pageRequestQueue, _deviceTlbs);
        bool byRegister = RegisterMap.HasRegisterInvalidation(profile);
        _invalidateAddress = byRegister ? RegisterOffsets.InvalidateAddress(profile.ExtendedCapabilities) : -1;
        _iotlbInvalidate = byRegister ? RegisterOffsets.IotlbInvalidate(profile.ExtendedCapabilities) : -1;
        _firstFaultRecord = RegisterOffsets.FaultRecord(profile.Capabilities, 0);
        _endOfFaultRecords = RegisterOffsets.FaultRecord(profile.Capabilities, profile.Capabilities.FaultRecordsCode + 1);
    }

    /// <summary>Which implementation it is.</summary>
    public HardwareProfile Profile { get; }

    /// <summary>Bytes in the window of registers, a multiple of 4096.</summary>
    public int WindowLength => _registers.Length;

    /// <summary>Who watches; null where nobody does.</summary>
    public IRemappingObserver? Observer
    {
        get => _translator.Observer;
        set
        {
            _translator.Observer = _faults.Observer = _caches.Observer = value;
            if (_caches.Tracker is { } tracker)
                tracker.Observer = value;
        }
    }

    /// <summary>What it has done since power-on.</summary>
    public RemappingStatistics Statistics
    {
        get
        {
            ulong hits = 0, misses = 0, interrupts = 0, read = 0, written = 0;
            foreach (RemappedPort port in _ports.Values)
            {
                hits += port.FrontHits;
                misses += port.FrontMisses;
                interrupts += port.Interrupts;
                read += port.BytesRead;
                written += port.BytesWritten;
            }

            return new(
                hits + misses,
                hits + _translator.IotlbHits,
                _translator.Walks,
                _translator.Prefetches,
                _translator.ContextReads,
                _faults.Detected,
                _caches.Invalidations,
                interrupts,
                read,
                written);
        }
    }

    /// <summary>What it has made of interrupt requests since power-on.</summary>
    public InterruptStatistics InterruptStatistics => _interrupts.Statistics;

    private GlobalStatus Status
    {
        get => new(new(_registers[RegisterOffsets.GlobalStatus]));
        set => _registers[RegisterOffsets.GlobalStatus] = value.Raw.Value;
    }

    /// <summary>The port of a requester; the same one each time.</summary>
    public RemappedPort Open(SourceId source)
    {
        if (!_ports.TryGetValue(source, out RemappedPort? port))
            _ports[source] = port = new(source, _memory, _translator, _interrupts, _deviceTlbs, _pageRequests, Profile);
        return port;
    }

    /// <inheritdoc/>
    IDmaPort IDmaFabric.Open(SourceId source) => Open(source);

    /// <inheritdoc/>
    public void Connect(SourceId source, IDeviceTlb? deviceTlb) => _deviceTlbs.Connect(source, deviceTlb);

    /// <summary>Tells what would become of a request, entry by entry, from the tables as they are in memory now.</summary>
    /// <param name="source">The requester.</param>
    /// <param name="address">The address that it puts on the bus.</param>
    /// <param name="write">Whether it wants to write.</param>
    /// <param name="attributes">What else the request carries.</param>
    public WalkTranscript Explain(SourceId source, Iova address, bool write, DmaAttributes attributes = default) =>
        _translator.FromMemory.Tell(source, address.Value, Access.Of(write, attributes));

    /// <summary>Puts the unit back to what it was after power-on; ports stay open.</summary>
    public void Reset()
    {
        _registers.Reset();
        _caches.DropAll();
        _queue.Reset();
        _regions.Update();
        SetTranslation(false);
        _translator.Root = default;
        _caches.Tracker?.SetRoot(default);
        _queue.Mode = default;
        _translator.RemapsInterrupts = false;
        _interrupts.Reset();
        _faults.Reset();
    }

    /// <inheritdoc/>
    /// <remarks>Registers are reached by aligned accesses of four or eight bytes; others read all ones.</remarks>
    public ulong Read(ulong offset, int width) =>
        IsProper(offset, width) ? _registers.Read((int)offset, width) : RegisterFile.AllOnes(width);

    /// <inheritdoc/>
    /// <remarks>Registers are reached by aligned accesses of four or eight bytes; others write nothing.</remarks>
    public void Write(ulong offset, int width, ulong value)
    {
        if (IsProper(offset, width))
            _registers.Write((int)offset, width, value, this);
    }

    /// <inheritdoc/>
    void IRegisterEffects.Written(in RegisterWrite write)
    {
        // The IOTLB registers and the fault records are where ECAP and CAP put them, which may be where a unit that
        // has more than this one has other registers: what they do not do is nobody else's business.
        if (write.Offset == _invalidateAddress)
            return;
        if (write.Offset == _iotlbInvalidate)
        {
            if (write.WroteOne(63))
                InvalidateIotlb(new(new(write.After)));
            return;
        }

        if (write.Offset >= _firstFaultRecord && write.Offset < _endOfFaultRecords)
        {
            if (write.Fell(63))
                _faults.RecordsWritten();
            return;
        }

        WrittenWhereTheManualSays(write);
    }

    private void WrittenWhereTheManualSays(in RegisterWrite write)
    {
        switch (write.Offset)
        {
            case RegisterOffsets.GlobalCommand:
                Command(new(new(write.After)));
                break;
            case RegisterOffsets.ContextCommand when write.WroteOne(63):
                InvalidateContext(new(new(write.After)));
                break;
            case RegisterOffsets.FaultStatus:
                _faults.StatusWritten();
                _queue.Run();
                break;
            case RegisterOffsets.FaultEventControl:
                _faultEvent.SendIfAllowed();
                break;
            case RegisterOffsets.InvalidationEventControl:
                _completionEvent.SendIfAllowed();
                break;
            case RegisterOffsets.InvalidationCompletionStatus when write.Fell(0):
                _completionEvent.Withdraw();
                break;
            case RegisterOffsets.InvalidationQueueTail:
                _queue.Run();
                break;
            case RegisterOffsets.PageRequestStatus:
                _pageRequestQueue.StatusWritten();
                break;
            case RegisterOffsets.PageRequestEventControl:
                _pageRequestQueue.EventControlWritten();
                break;
            case RegisterOffsets.EnhancedCommand when (write.EnabledBytes & 0xFF) != 0:
                // The byte that names the command starts it. ECCAP advertises none: any one is refused at once.
                _registers[RegisterOffsets.EnhancedCommandResponse] = new EnhancedCommandResponse { Status = 1 }.Raw.Value;
                break;
            case >= RegisterOffsets.ProtectedMemoryEnable and < RegisterOffsets.InvalidationQueueHead:
                _regions.Update();
                ReleaseStreams();
                break;
        }
    }

    // Software changes one bit at a time. Where it changes several, pointers are taken first, then what uses them
    // is switched, translation last.
    private void Command(GlobalCommand command)
    {
        if (command.SetRootTablePointer)
            SetRootTable();
        if (command.QueuedInvalidationEnable != Status.QueuedInvalidationEnabled && Profile.ExtendedCapabilities.QueuedInvalidation)
            SetQueue(command.QueuedInvalidationEnable);
        if (Profile.ExtendedCapabilities.InterruptRemapping)
            CommandInterrupts(command);
        if (command.TranslationEnable != Status.TranslationEnabled)
            SetTranslation(command.TranslationEnable);
    }

    private void CommandInterrupts(GlobalCommand command)
    {
        if (command.SetInterruptRemapTablePointer)
        {
            _interrupts.Table = new(new(_registers[RegisterOffsets.InterruptTableAddress]));
            if (Profile.Capabilities.EnhancedSetInterruptPointer)
                _caches.Interrupts.Clear();
        }

        _interrupts.AllowsCompatibility = command.CompatibilityFormatInterrupt;
        _interrupts.IsEnabled = _translator.RemapsInterrupts = command.InterruptRemappingEnable;
        GlobalStatus before = Status;
        Status = before with
        {
            InterruptRemapTablePointerSet = before.InterruptRemapTablePointerSet || command.SetInterruptRemapTablePointer,
            CompatibilityFormatInterrupts = command.CompatibilityFormatInterrupt,
            InterruptRemappingEnabled = command.InterruptRemappingEnable,
        };
    }

    private void SetRootTable()
    {
        // Streams follow what they concluded from the tables of one mode; another mode has others.
        RootTableAddress root = new(new(_registers[RegisterOffsets.RootTableAddress]));
        if (root.Mode != _translator.Root.Mode)
            ReleaseStreams();
        _translator.Root = root;
        _queue.Mode = root.Mode;
        if (Profile.Capabilities.EnhancedSetRootPointer)
            _caches.DropAll();
        _caches.Tracker?.SetRoot(_translator.Root);
        Status = Status with { RootTablePointerSet = true };
    }

    private void SetQueue(bool enable)
    {
        if (!enable)
        {
            _queue.Disable();
            return;
        }

        Status = Status with { QueuedInvalidationEnabled = true };
        _queue.Enable();
    }

    private void SetTranslation(bool enable)
    {
        Status = Status with { TranslationEnabled = enable };
        _translator.IsEnabled = enable;
        ReleaseStreams();
    }

    // What caches hold stays; what streams concluded from it is concluded anew.
    private void ReleaseStreams()
    {
        foreach (RemappedPort port in _ports.Values)
            port.Stream.Release();
    }

    private void InvalidateContext(ContextCommand command)
    {
        // While the queue is on, commands by register do nothing and say so, rather than leave software waiting.
        ContextGranularity performed = _queue.IsEnabled ? ContextGranularity.Reserved : command.RequestedGranularity;
        if (performed != ContextGranularity.Reserved)
            _caches.InvalidateContext(performed, command.DomainId, command.Source, command.FunctionMask);
        _registers[RegisterOffsets.ContextCommand] = (command with { ActualGranularity = performed, Invalidate = false }).Raw.Value;
    }

    private void InvalidateIotlb(IotlbInvalidate command)
    {
        InvalidateAddress range = new(new(_registers[RegisterOffsets.InvalidateAddress(Profile.ExtendedCapabilities)]));
        IotlbGranularity performed = _queue.IsEnabled
            ? IotlbGranularity.Reserved
            : InvalidationRules.Performed(command.RequestedGranularity, range.AddressMask, Profile);
        if (performed != IotlbGranularity.Reserved)
            _caches.InvalidateIotlb(performed, command.DomainId, new(range.Address, range.AddressMask, range.Hint));
        _registers[_iotlbInvalidate] = (command with { ActualGranularity = performed, Invalidate = false }).Raw.Value;
    }

    private bool IsProper(ulong offset, int width) => width is 4 or 8 && offset % (uint)width == 0 && offset < (ulong)_registers.Length;
}
