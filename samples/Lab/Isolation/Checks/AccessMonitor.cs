using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Looks at each request of a device, each interrupt and each write to memory while it happens, and knows from the books what may be.</summary>
/// <remarks>
/// It stands between devices and the remapping unit, and between the unit and the processors, and is told of every write
/// to memory. So it knows who is behind a change: a device, a VM, or else the VMM and the hardware that it drives.
/// </remarks>
/// <param name="world">The world.</param>
internal sealed class AccessMonitor(IsolationWorld world) : IMemoryWatcher
{
    private const ulong PageBytes = 4096;
    private const ulong NoFrame = ulong.MaxValue;

    private readonly List<ulong> _expected = [];
    private readonly byte[] _memory = new byte[PageBytes];
    private WorldDevice? _device;
    private bool _isDevice;
    private bool _isWrite;
    private bool _isInterrupt;
    private bool _mayBeRefused;
    private bool _isFollowing;
    private MessageInterrupt? _arrived;
    private ulong _faults;
    private int[] _owners = [];

    /// <summary>The VM whose software acts now; null for none.</summary>
    public WorldGuest? Actor { get; set; }

    /// <summary>Whether tables of the remapping unit, or what else the VMM keeps in its own memory, changed since this was last cleared.</summary>
    public bool HaveUnitTablesChanged { get; set; } = true;

    /// <summary>Whether tables of EPT changed since this was last cleared.</summary>
    public bool HaveEptTablesChanged { get; set; } = true;

    /// <summary>Whether the VMM works without anybody who waits for it.</summary>
    public bool IsLater => !world.HasCaller;

    /// <summary>How many requests of devices were looked at.</summary>
    public ulong Requests { get; private set; }

    /// <summary>Puts it between devices and a fabric.</summary>
    public IDmaFabric Watch(IDmaFabric fabric) => new WrappedFabric(fabric, port => new WatchedPort(this, port));

    /// <summary>Puts it before the processors.</summary>
    public IInterruptSink Watch(IInterruptSink sink) => new WatchedInterrupts(this, sink);

    /// <summary>Begins to look at all writes to memory.</summary>
    public MemoryWatch Begin(Host host)
    {
        MemoryWatch watch = host.Memory.Watch(this);
        _owners = new int[host.Options.MemoryBytes / PageBytes];
        Array.Fill(_owners, -1);
        for (ulong at = 0; at < host.Options.MemoryBytes; at += PageBytes)
            watch.Add(new(at));
        return watch;
    }

    /// <summary>A VM has frames from now on, or none any longer.</summary>
    public void Own(WorldGuest guest, bool isOwner)
    {
        foreach (ulong frame in guest.Frames)
            _owners[frame] = isOwner ? guest.Index : -1;
    }

    /// <summary>Which VM a frame belongs to, by the books; -1 for none.</summary>
    public int OwnerOf(ulong frame) => frame >= (ulong)_owners.Length ? -1 : _owners[frame] >= 0 ? _owners[frame] : LazyOwnerOf(frame);

    // Of frames that come and go with the pages of a VM, the host knows whose they are.
    private int LazyOwnerOf(ulong frame)
    {
        if (!world.HasLazyGuests || world.Host.Frames.OwnerOf(new(frame << 12)) is not { IsGuest: true } owner)
            return -1;
        foreach (WorldGuest guest in world.Guests)
        {
            if (guest.LazyFrames != 0 && guest.Machine?.Owner == owner)
                return guest.Index;
        }

        return -1;
    }

    /// <inheritdoc/>
    public void Written(PhysicalAddress address, ulong length)
    {
        ulong last = (address + (length - 1)).Page;
        for (ulong frame = address.Page; frame <= last; frame++)
        {
            int owner = OwnerOf(frame);
            if (owner < 0)
            {
                if (frame << 12 < world.Host.Options.VmmBytes)
                    HaveUnitTablesChanged = true;
                else
                    HaveEptTablesChanged = true;
            }

            if (!MayWrite(frame, owner))
                ViolateBy(address, length, owner);
        }
    }

    // In the memory of the VM that has the device it is a mapping that is missing, elsewhere everything.
    private void ViolateBy(PhysicalAddress address, ulong length, int owner)
    {
        bool isItsOwn = _isDevice && owner >= 0 && world.Guests[owner].Machine is { } machine && _device?.Assignment.Machine == machine;
        if (isItsOwn)
            world.Violate("I3", $"{Who} changed {Bytes(length)} at {address}, in a page of {NameOf(owner)} that is not mapped for that");
        else
            world.Violate("U1", $"{Who} changed {Bytes(length)} at {address}, which is memory of {NameOf(owner)}");
    }

    // A device that is on its way back sends nothing itself, but another one that cannot be kept apart from it, and is still with the
    // same VM, can use its name: what is mapped for it stays in reach until its domain is gone.
    private bool IsNamedBySibling => world.Sender is { Assignment.State: AssignmentState.Assigned } sender && sender != _device
        && _device?.Assignment is { DomainId: not null, Machine: { } machine } && sender.Assignment.Machine == machine;

    private string Who => _isDevice ? NameOf(_device) : Actor is { } guest ? $"VM {guest.Name}" : "the VMM";

    private static string Bytes(ulong count) => count == 1 ? "1 byte" : $"{count} bytes";

    private static string NameOf(WorldDevice? device) => device is null ? "a requester that is no device" : $"device {device.Name}";

    private string NameOf(int owner) => owner < 0 ? "the host" : $"VM {world.Guests[owner].Name}";

    // A device what is mapped for it, and the unit what it posts; a VM its own; the VMM nothing of a VM.
    private bool MayWrite(ulong frame, int owner)
    {
        if (_isDevice)
            return (_isWrite && _isFollowing && owner >= 0 && world.Guests[owner].Machine == _device!.Assignment.Machine) || (_isWrite && _expected.Contains(frame) && owner >= 0 && world.Guests[owner].Machine == _device!.Assignment.Machine) || (_isInterrupt && owner < 0) || MayStillWrite(owner);

        if (owner < 0 || Actor?.Index == owner)
            return true;

        // The VMM clears the memory of a VM that has ended, brings pages in for one whose pages come and go, and writes for the unit of
        // one that has its own, where that is told to.
        WorldGuest guest = world.Guests[owner];
        return Actor is null && (guest is { Machine.IsRunning: false } or { LazyFrames: not 0 } or { HasIommu: true } || IsOwnMessage(guest, frame));
    }

    // A message is a write, and a VM may say that the ones which it gets of its devices go to its own memory.
    private bool IsOwnMessage(WorldGuest guest, ulong frame)
    {
        foreach (WorldDevice device in world.Devices)
        {
            if (device.Assignment.Machine == guest.Machine
                && guest.Machine?.Pci.Find(device.GuestPlace)?.Capabilities.OfType<MsiCapability>().FirstOrDefault()?.MessageOf(0) is { } message
                && message.Address >> 12 < (ulong)guest.Pages && guest.FrameOf((int)(message.Address >> 12)) >> 12 == frame)
            {
                return true;
            }
        }

        return false;
    }

    // While software is about to map or to unmap, the books lag behind; the memory must be the owner's all the same.
    private bool MayStillWrite(int owner) =>
        _device is { Busy: > 0 } device && owner >= 0 && device.Assignment.Machine is { } machine && world.Guests[owner].Machine == machine;

    private void Enter(SourceId source, ulong address, int length, bool isWrite, bool isPlain)
    {
        Requests++;
        _faults = world.Host.Unit.Statistics.Faults;
        _isDevice = true;
        _isWrite = isWrite;
        _isInterrupt = isWrite && length == sizeof(uint) && (address & 3) == 0 && InterruptRange.Contains(address);
        _device = world.DeviceAt(source);
        _arrived = null;
        _mayBeRefused = _isFollowing = false;
        _expected.Clear();
        if (_isInterrupt || length == 0)
            return;
        DmaDirection wanted = isWrite ? DmaDirection.FromDevice : DmaDirection.ToDevice;
        bool isAssigned = isPlain && (_device?.Assignment.State == AssignmentState.Assigned || IsNamedBySibling);

        // What the tables of a VM say of its device is another check's: here it must be memory of the VM.
        _isFollowing = isAssigned && _device!.FollowsOf is not null;
        if (_isFollowing)
            return;
        for (ulong page = address >> 12; ; page++)
        {
            _expected.Add(isAssigned ? FrameOf(_device!, page, wanted) : NoFrame);
            if (page == (unchecked(address + (ulong)length - 1) >> 12) || _expected.Count > length)
                break;
        }
    }

    // What waits after its unmap is reached or not; it leads where it led.
    private ulong FrameOf(WorldDevice device, ulong page, DmaDirection wanted)
    {
        if (device.TryFind(page, wanted, out ulong frame))
            return frame;
        if (!device.TryFindWaiting(page, wanted, world.Host.Loop.NowNs, out frame))
            return NoFrame;
        _mayBeRefused = true;
        return frame;
    }

    private DmaStatus Leave(ulong address, ReadOnlySpan<byte> data, DmaStatus status)
    {
        // Some units refuse what is no interrupt in the interrupt range without a word.
        if (status == DmaStatus.Blocked && world.Host.Unit.Statistics.Faults == _faults
            && (world.Host.Unit.Profile.ReportsInterruptRangeRequests || !InterruptRange.Contains(address)))
        {
            world.Violate("I5", $"{Who} was refused at {address:X}h, and the unit noted no fault");
        }

        if (_isInterrupt)
            LeaveInterrupt(status);
        else if (data.Length != 0)
            LeaveTransfer(address, data, status);
        _isDevice = _isInterrupt = false;
        _device = null;
        return status;
    }

    private void LeaveInterrupt(DmaStatus status)
    {
        // What arrived although it was refused is the unit's own message of the fault.
        if (status != DmaStatus.Success)
            return;
        if (_arrived is { } message && _device is { } device && world.AreInterruptsIsolated)
            CheckMessage(message, device);
        if (_device?.Assignment.State == AssignmentState.Assigned)
            _device.MessagesAccepted++;

        // Where interrupts are not remapped, the name in which one comes decides nothing: the sender could have used its own.
        else if (!world.AreInterruptsIsolated && world.Sender?.Assignment.State == AssignmentState.Assigned)
            return;
        else
            world.Violate("K2", $"{Who} raised an interrupt, and no VM has it");
        CheckSender("raised an interrupt");
    }

    private void LeaveTransfer(ulong address, ReadOnlySpan<byte> data, DmaStatus status)
    {
        int missing = _expected.IndexOf(NoFrame);
        if (status == DmaStatus.Success)
        {
            CheckSender(_isWrite ? "wrote memory" : "read memory");
            if (_isFollowing)
            {
                CheckSecrets(address, data);
                return;
            }

            if (missing >= 0 && _device is not { Busy: > 0, Assignment.State: AssignmentState.Assigned })
                world.Violate(_device is null || _device.Assignment.State != AssignmentState.Assigned ? "K2" : "I3", $"{Who} {(_isWrite ? "wrote" : "read")} {Bytes((ulong)data.Length)} at {address:X}h, where nothing is mapped for that");
            else if (missing < 0 && !_isWrite)
                CheckData(address, data);
        }
        else if (missing < 0 && !_mayBeRefused && !_isFollowing && _device is { Busy: 0 })
        {
            world.Violate("I1", $"{Who} was refused {(_isWrite ? "a write" : "a read")} of {Bytes((ulong)data.Length)} at {address:X}h as {status}, although all of it is mapped for that");
        }
    }

    // Whoever names another one gets what that one may have: the books do not know of it, the sender does. Devices that
    // cannot be kept apart are with one VM, which has both names.
    private void CheckSender(string what)
    {
        if (world.Sender is { } sender && sender != _device && (_device is null || sender.Assignment.Machine != _device.Assignment.Machine))
            world.Violate("U1", $"device {sender.Name} {what} in the name of {(_device is null ? "nobody" : $"device {_device.Name}")}");
    }

    // Which page it was is not known, but whose it was not.
    private void CheckSecrets(ulong address, ReadOnlySpan<byte> data)
    {
        if (_isWrite || world.Guests.FirstOrDefault(guest => guest.Machine == _device!.Assignment.Machine) is not { } guest)
            return;
        for (int at = (int)(0 - address & 3); at + sizeof(uint) <= data.Length; at += sizeof(uint))
            world.Learned(guest, BitConverter.ToUInt32(data[at..]));
    }

    private void CheckData(ulong address, ReadOnlySpan<byte> data)
    {
        int done = 0;
        foreach (ulong frame in _expected)
        {
            int offset = (int)((address + (ulong)done) & (PageBytes - 1));
            int step = Math.Min(data.Length - done, (int)PageBytes - offset);
            Span<byte> memory = _memory.AsSpan(0, step);
            _ = world.Host.Memory.TryRead(new PhysicalAddress((frame << 12) + (ulong)offset), memory);
            if (!memory.SequenceEqual(data.Slice(done, step)))
                world.Violate("U1", $"{Who} read bytes at {address:X}h that are not those of the page that is mapped there");
            done += step;
        }
    }

    // With an entry for each device, no two of them can raise the same.
    private void CheckMessage(MessageInterrupt message, WorldDevice device)
    {
        if (message.Destination == 0)
            world.Violate("K4", $"{Who} raised vector {message.Vector} of the VMM's own processor");
        device.Message ??= message;
        foreach (WorldDevice other in world.Devices)
        {
            if (other != device && other.Message == message && other.Assignment is { State: AssignmentState.Assigned, Machine: { } machine } && machine != device.Assignment.Machine)
                world.Violate("K4", $"{Who} raised the interrupt of device {other.Name}");
        }
    }

    private sealed class WatchedPort(AccessMonitor monitor, IDmaPort way) : IDmaPort
    {
        public SourceId Source => way.Source;

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
        {
            monitor.Enter(Source, address.Value, destination.Length, isWrite: false, attributes == default);
            return monitor.Leave(address.Value, destination, way.Read(address, destination, attributes));
        }

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
        {
            monitor.Enter(Source, address.Value, source.Length, isWrite: true, attributes == default);
            return monitor.Leave(address.Value, source, way.Write(address, source, attributes));
        }

        public DmaStatus CompareSwap(Iova address, ulong compare, ulong swap, out ulong found, DmaAttributes attributes = default)
        {
            monitor.Enter(Source, address.Value, sizeof(ulong), isWrite: true, attributes == default);
            DmaStatus status = way.CompareSwap(address, compare, swap, out found, attributes);

            // One that needs more rights than a write may be refused where a write would not be.
            Span<byte> moved = stackalloc byte[sizeof(ulong)];
            return monitor.Leave(address.Value, status == DmaStatus.Success ? moved : [], status);
        }

        public TranslationCompletion RequestTranslation(Iova address, bool wantsWrite, DmaAttributes attributes = default)
        {
            TranslationCompletion completion = way.RequestTranslation(address, wantsWrite, attributes);
            if (completion is { Status: TranslationStatus.Success } and ({ Read: true } or { Write: true }))
                monitor.Violate($"device at {Source} was told a translation of {address}, and nobody trusts it");
            return completion;
        }

        public void RequestPage(in PageRequest request) => way.RequestPage(request);

        public void CompleteInvalidation(int tag) => way.CompleteInvalidation(tag);
    }

    private void Violate(string text) => world.Violate("U1", text);

    private sealed class WatchedInterrupts(AccessMonitor monitor, IInterruptSink sink) : IInterruptSink
    {
        public void Deliver(MessageInterrupt message)
        {
            monitor._arrived = message;
            sink.Deliver(message);
        }
    }
}
