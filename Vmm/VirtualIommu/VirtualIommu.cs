using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A remapping unit of a guest's own: the registers and tables of a real one, over the guest's memory.</summary>
/// <remarks>
/// <code>
///   virtual function --> this unit, which walks the guest's tables --> memory of the guest
///   assigned device ---> the host's unit, which walks a shadow of the guest's tables, or these and the VM's own --> the same
///                                            ^ follows what the guest invalidates
/// </code>
/// Each access of the guest to its registers is a trap; tables and queues are in the guest's memory and cost none. The
/// model of the registers is the one that the host's unit is made of. Caching mode makes a guest tell of entries that it
/// makes present, so that nothing needs a look at tables in between; entries of the first stage are exempt from that. What
/// is not followed yet is seen by the guest as a unit that has not done it yet: waits do not complete, and commands by
/// register stay under way.
/// </remarks>
public sealed class VirtualIommu : IMmioDevice, IInterruptSink, IRemappingObserver
{
    /// <summary>Where its registers are in the guest.</summary>
    public static readonly GuestPhysicalAddress Registers = new(MemoryLayout.RemappingUnit);

    private const int AllPages = 52;

    private readonly VirtualMachine _machine;
    private readonly List<GuestRequester> _devices = [];
    private readonly int _iotlbInvalidate;
    private GuestInvalidations _pending = new();
    private GlobalStatus? _statusBefore;
    private ulong _begun;
    private ulong _pagesRefusedBefore;
    private bool _isFollowing;
    private bool _isCommandPending;

    internal VirtualIommu(VirtualMachine machine, VirtualIommuOptions options)
    {
        (_machine, Options) = (machine, options);
        bool remapsInterrupts = machine.Delivery != InterruptDelivery.Posted;
        HardwareProfile profile = options.Mode == VirtualIommuMode.Nested
            ? VirtualProfile.Nested(machine.Host.Options.Profile, remapsInterrupts)
            : VirtualProfile.Shadow(machine.Host.Options.Profile, remapsInterrupts);
        PhysicalMemory memory = GuestMemoryView.Of(machine);
        Unit = new(memory, this, profile, machine.Host.Loop) { Observer = this };
        Pages = new(memory, profile);
        _iotlbInvalidate = RegisterOffsets.IotlbInvalidate(profile.ExtendedCapabilities);
        machine.Bus.AddWindow(new(Registers.Value), (ulong)Unit.WindowLength, this);
    }

    /// <summary>How it was built.</summary>
    public VirtualIommuOptions Options { get; }

    /// <summary>Which unit the guest sees.</summary>
    public HardwareProfile Profile => Unit.Profile;

    /// <summary>Bytes in the window of registers.</summary>
    public int WindowLength => Unit.WindowLength;

    /// <summary>How many accesses to its registers were trapped.</summary>
    public ulong Traps { get; private set; }

    /// <summary>How many commands of the guest invalidated something.</summary>
    public ulong Invalidations => Unit.Statistics.Invalidations;

    /// <summary>How many faults of assigned devices were reported to the guest.</summary>
    public ulong FaultsReported { get; private set; }

    /// <summary>How many pages are pinned for assigned devices; one that two of them reach counts twice.</summary>
    public ulong PinnedPages => _devices.Aggregate(0ul, (pages, device) => pages + device.PinnedPages);

    /// <summary>How many pages that the guest mapped were refused, since its quota or the host's memory for tables ran out; those far beyond the quota are not even counted.</summary>
    public ulong PagesRefused => _devices.Aggregate(_pagesRefusedBefore, (pages, device) => pages + device.PagesRefused);

    /// <summary>What it has made of interrupt requests.</summary>
    public InterruptStatistics Interrupts => Unit.InterruptStatistics;

    /// <summary>The unit; virtual functions of the guest send their requests through it.</summary>
    internal RemappingUnit Unit { get; }

    /// <summary>What reads the guest's second-stage tables.</summary>
    internal SecondStagePages Pages { get; }

    /// <summary>Why a host can give its VMs no unit of a kind; null where it can.</summary>
    public static string? RefusalOf(Host host, VirtualIommuMode mode)
    {
        HostOptions options = host.Options;
        return mode switch
        {
            VirtualIommuMode.Shadow => null,
            _ when !options.Profile.ExtendedCapabilities.ScalableMode => $"the unit {options.Profile.Name} has no scalable mode (ECAP.SMTS), which nested translation needs",
            _ when !options.Profile.ExtendedCapabilities.FirstStage => $"the unit {options.Profile.Name} has no first stage (ECAP.FSTS)",
            _ when !options.Profile.ExtendedCapabilities.Nested => $"the unit {options.Profile.Name} has no nested translation (ECAP.NEST)",
            _ when !options.Scalable => "the host does not run its unit in scalable mode",
            _ => null,
        };
    }

    /// <inheritdoc/>
    public ulong Read(ulong offset, int width)
    {
        Traps++;
        ulong value = Unit.Read(offset, width);
        if (_statusBefore is { } before && offset + (ulong)width == RegisterOffsets.GlobalStatus + 4)
            return width == 4 ? before.Raw.Value : (ulong)before.Raw.Value << 32;
        return _isCommandPending && IsTrigger(offset, width) ? value | (1ul << ((8 * width) - 1)) : value;
    }

    /// <inheritdoc/>
    public void Write(ulong offset, int width, ulong value)
    {
        Traps++;
        GlobalStatus before = new(new(Unit.Read(RegisterOffsets.GlobalStatus, 4)));
        ulong begun = _begun;
        Unit.Write(offset, width, value);
        if (offset == RegisterOffsets.GlobalCommand)
            Commanded(before, new(new((uint)value)));
        _isCommandPending |= _begun != begun && IsTrigger(offset, width);
    }

    /// <inheritdoc/>
    /// <remarks>What the unit lets through, and what it sends itself.</remarks>
    void IInterruptSink.Deliver(MessageInterrupt message) => _machine.Inject(message);

    /// <inheritdoc/>
    void IRemappingObserver.FaultDetected(in RemappingFault fault, FaultDisposition disposition)
    {
    }

    /// <inheritdoc/>
    void IRemappingObserver.ContextInvalidated(ContextGranularity granularity, DomainId domain, SourceId source, int functionMask)
    {
        _pending.AddContexts();
        Follow();
    }

    /// <inheritdoc/>
    void IRemappingObserver.IotlbInvalidated(IotlbGranularity granularity, DomainId domain, Iova address, int addressMask)
    {
        // Pages of the second stage are none of the first one: all that came from there may be different.
        bool isWhole = granularity == IotlbGranularity.Domain || Options.Mode == VirtualIommuMode.Nested;
        if (granularity == IotlbGranularity.Global)
            _pending.AddAllDomains();
        else
            AddTranslations(domain, address, isWhole ? AllPages : addressMask);
        Follow();
    }

    /// <inheritdoc/>
    void IRemappingObserver.PasidsInvalidated(PasidCacheGranularity granularity, DomainId domain, Pasid pasid)
    {
        _pending.AddContexts();
        Follow();
    }

    /// <inheritdoc/>
    void IRemappingObserver.PasidIotlbInvalidated(PasidIotlbGranularity granularity, DomainId domain, Pasid pasid, Iova address, int addressMask)
    {
        // Requests with a PASID are not served: nothing is known of them.
        if (pasid.Value != 0)
            return;
        AddTranslations(domain, address, granularity == PasidIotlbGranularity.Pasid ? AllPages : addressMask);
        Follow();
    }

    /// <summary>A device comes behind the unit; the guest knows nothing of it yet.</summary>
    /// <param name="source">The requester as the host knows it.</param>
    /// <param name="domain">Its domain, with nothing in it.</param>
    /// <param name="memory">What can map all memory of the guest there.</param>
    internal GuestRequester Open(SourceId source, RemappingDomain domain, DmaMappings memory)
    {
        GuestRequester device = Options.Mode == VirtualIommuMode.Nested
            ? new NestedDevice(this, _machine, source, memory)
            : new ShadowDevice(this, _machine, source, domain);
        _devices.Add(device);
        return device;
    }

    /// <summary>A device goes; it was disconnected.</summary>
    internal void Close(GuestRequester device)
    {
        _pagesRefusedBefore += device.PagesRefused;
        _devices.Remove(device);
    }

    /// <summary>The host's unit blocked a request of a device: the guest learns what its own unit would have recorded.</summary>
    internal void Report(FaultReport fault)
    {
        GuestRequester? device = _devices.Find(device => device.Host == fault.Source);
        if (device?.Guest is not { } guest || fault.InterruptIndex is not null || !_machine.IsRunning)
            return;
        WalkTranscript story = Unit.Explain(guest, fault.Address, fault.Write);
        if (GuestFaults.ReasonOf(fault, story, _machine.Memory) is { } reason && Unit.ReportBlocked(story, reason))
            FaultsReported++;
    }

    // Of a range of pages all that its aligned power of two covers.
    private void AddTranslations(DomainId domain, Iova address, int mask)
    {
        if (mask >= AllPages)
            _pending.AddDomain(domain);
        else
            _pending.AddPages(domain, address.Value >> (12 + mask) << (12 + mask), 4096ul << mask);
    }

    private void Commanded(GlobalStatus before, GlobalCommand command)
    {
        GlobalStatus now = new(new(Unit.Read(RegisterOffsets.GlobalStatus, 4)));
        if (!command.SetRootTablePointer && now.TranslationEnabled == before.TranslationEnabled)
            return;

        // Whoever changes what leads to all tables waits until the status says so.
        _statusBefore ??= before with { RootTablePointerSet = before.RootTablePointerSet && !command.SetRootTablePointer };
        _pending.AddContexts();
        if (now.TranslationEnabled)
            _pending.AddAllDomains();
        Follow();
    }

    private bool IsTrigger(ulong offset, int width) =>
        offset + (ulong)width is var end && (end == RegisterOffsets.ContextCommand + 8 || end == (ulong)_iotlbInvalidate + 8);

    private void Follow()
    {
        _begun = Unit.BeginFollowing();
        if (_isFollowing)
            return;
        _isFollowing = true;
        _machine.Host.Loop.Start(FollowAll);
    }

    // What comes while one round is under way is the next one's.
    private async Task FollowAll()
    {
        while (!_pending.IsEmpty)
        {
            (GuestInvalidations invalidated, _pending) = (_pending, new());
            ulong number = _begun;
            foreach (GuestRequester device in _devices.ToArray())
                await device.Follow(invalidated);
            if (_pending.IsEmpty)
                (_statusBefore, _isCommandPending, _isFollowing) = (null, false, false);
            Unit.EndFollowing(number);
        }
    }
}
