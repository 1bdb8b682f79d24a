using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A remapping unit of a guest's own: the registers and tables of a real one, over the guest's memory.</summary>
/// <remarks>
/// <code>
///   virtual function --> this unit, which walks the guest's tables --> memory of the guest
///   assigned device ---> the host's unit, which walks a shadow of the guest's tables --> the same memory
///                                            ^ follows what the guest invalidates
/// </code>
/// Each access of the guest to its registers is a trap; tables and queues are in the guest's memory and cost none. The
/// model of the registers is the one that the host's unit is made of. Caching mode makes a guest invalidate what it maps as
/// well as what it unmaps, so that the shadow needs no look at tables in between. What is not followed yet is seen by the
/// guest as a unit that has not done it yet: waits do not complete, and commands by register stay under way.
/// </remarks>
public sealed class VirtualIommu : IMmioDevice, IInterruptSink, IRemappingObserver
{
    /// <summary>Where its registers are in the guest.</summary>
    public static readonly GuestPhysicalAddress Registers = new(MemoryLayout.RemappingUnit);

    private readonly VirtualMachine _machine;
    private readonly List<ShadowDevice> _devices = [];
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
        HardwareProfile profile = VirtualProfile.Shadow(machine.Host.Options.Profile, machine.Delivery != InterruptDelivery.Posted);
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
        if (granularity == IotlbGranularity.Global)
            _pending.AddAllDomains();
        else if (granularity == IotlbGranularity.Domain || addressMask >= 52)
            _pending.AddDomain(domain);
        else
            _pending.AddPages(domain, address.Value >> (12 + addressMask) << (12 + addressMask), 4096ul << addressMask);
        Follow();
    }

    /// <summary>A device comes behind the unit; the guest knows nothing of it yet.</summary>
    internal ShadowDevice Open(SourceId source, RemappingDomain domain)
    {
        ShadowDevice device = new(this, _machine, source, domain);
        _devices.Add(device);
        return device;
    }

    /// <summary>A device goes; it was disconnected.</summary>
    internal void Close(ShadowDevice device)
    {
        _pagesRefusedBefore += device.PagesRefused;
        _devices.Remove(device);
    }

    /// <summary>The host's unit blocked a request of a device: the guest learns what its own unit would have recorded.</summary>
    internal void Report(FaultReport fault)
    {
        ShadowDevice? device = _devices.Find(device => device.Host == fault.Source);
        if (device?.Guest is not { } guest || fault.InterruptIndex is not null || !_machine.IsRunning)
            return;

        // What the guest's tables lead to no memory is no fault: nothing answers there, as on any bus.
        WalkTranscript story = Unit.Explain(guest, fault.Address, fault.Write);
        if (story.Passes && !_machine.Memory.Contains(new(story.Target.Value), 4096))
            return;
        FaultReason otherwise = fault.Write ? FaultReason.WriteNotPermitted : FaultReason.ReadNotPermitted;
        if (Unit.ReportBlocked(guest, fault.Address, fault.Write, otherwise))
            FaultsReported++;
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
            foreach (ShadowDevice device in _devices.ToArray())
                await device.Follow(invalidated);
            if (_pending.IsEmpty)
                (_statusBefore, _isCommandPending, _isFollowing) = (null, false, false);
            Unit.EndFollowing(number);
        }
    }
}
