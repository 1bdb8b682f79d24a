using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A process of the service OS in which device models of a VM run (user-level monitor).</summary>
/// <remarks>
/// <code>
/// guest                VMM                     user-level monitor                  pseudo-device driver
/// register -- exit --> upcall ---------------> model --- W + address ---> window -- fault --> asks the VMM, maps
///    interrupt &lt;------ injects &lt;-- ioctl ------ |                           |
///                                              +-- list of pages -- I/O of the service OS, straight into the guest
/// </code>
/// The models reach the memory of this one VM, and nothing else of the machine: that is what the window is for. The window
/// starts empty; a page comes when it is touched, and goes when the VMM takes its frame (<see cref="PageMover"/>).
/// The service OS is that of the host, or that of a service VM, which has no more of the VM than the window shows.
/// Copies and faults are counted, and their time is not added to that of the bus that a model imitates.
/// </remarks>
public sealed class UserLevelMonitor : IGuestService, IModelMemory
{
    private readonly ProcessSpace _space;
    private readonly GuestWindow _window;
    private readonly WindowDriver? _driver;
    private readonly PseudoDevice _device;
    private readonly List<IGuestService> _models = [];

    /// <summary>Starts the process, which opens the pseudo device.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="options">How it works.</param>
    /// <param name="driver">The pseudo-device driver of the service VM whose process it is; null for the host's.</param>
    /// <exception cref="ArgumentOutOfRangeException">The window has no page, or more than 32 bits of addresses have room for.</exception>
    /// <exception cref="InvalidOperationException">
    /// The VM has a remapping unit: its devices use other addresses than the window does. Or it is none whose devices the service VM models, has a window
    /// there, or one of them has ended; or memory shall be copied by system calls in a service VM, which has no way to it.
    /// </exception>
    public UserLevelMonitor(VirtualMachine machine, MonitorOptions? options = null, WindowDriver? driver = null)
    {
        if (machine.Iommu is not null)
            throw new InvalidOperationException($"{machine.Name} has a remapping unit, which a window does not ask.");
        (Machine, Options, _driver) = (machine, options ?? new(), driver);
        if (driver is not null && Options.Access != MonitorAccess.Window)
            throw new InvalidOperationException($"A service VM has no memory of {machine.Name} but through a window.");
        Pages = driver is null ? new HostPages(machine, Options.ShootDown) : driver.PagesOf(machine);
        Processor = Pages.Processor;
        _window = new(Options.WindowPages);
        _space = new(Pages);
        _device = new(Pages, _space, _window, Counts, Options.ShootDown == ShootDown.Flushed);
        Transfers = new(this);
        driver?.Add(this);
        machine.Services.Add(this);
    }

    /// <summary>The VM.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>How it works.</summary>
    public MonitorOptions Options { get; }

    /// <summary>Who runs it, and pays for its faults, system calls and copies.</summary>
    public Processor Processor { get; }

    /// <summary>What was counted.</summary>
    public MonitorCounts Counts { get; } = new();

    /// <summary>Whether the process runs.</summary>
    public bool IsAlive { get; private set; } = true;

    /// <summary>Whether the service VM that it ran in has ended: then nothing of it ends by itself any more.</summary>
    public bool IsAbandoned => _driver is { IsRunning: false };

    /// <summary>Its transfers between devices of the host and memory of the VM.</summary>
    public MonitorTransfers Transfers { get; }

    /// <summary>How often a page left the window: what was found out about pages before may not hold any more.</summary>
    public ulong Generation => _device.Generation;

    /// <summary>How many pages the window shows now.</summary>
    public int PagesPresent => _space.Pages.Count;

    /// <summary>Told of what happens to pages of the window; null for nobody.</summary>
    public Action<WindowEvent>? Watcher { get => _device.Watcher; set => _device.Watcher = value; }

    /// <summary>What the window shows of the page of an address.</summary>
    public WindowPageState StateOf(GuestPhysicalAddress address)
    {
        if (!_window.TryFind(address, out ulong at) || _space.FrameOf(at >> (int)FrameSize.Page4K) is not { } frame)
            return WindowPageState.Absent;
        EptWalkResult found = Machine.Memory.Tables.Walk(new(address.Value & ~(FrameSize.Page4K.Bytes - 1)), EptRights.None);
        return found.Outcome == EptOutcome.Mapped && found.Address == frame ? WindowPageState.Present : WindowPageState.Stale;
    }

    /// <summary>Reads memory of the VM as a model does, page by page; it stops at the first that is none.</summary>
    /// <param name="address">The first byte, guest-physical.</param>
    /// <param name="destination">As many bytes as shall be read.</param>
    public DmaStatus Read(GuestPhysicalAddress address, Span<byte> destination)
    {
        if (!TryBegin(destination.Length))
            return DmaStatus.Unclaimed;
        for (int done = 0; done < destination.Length;)
        {
            GuestPhysicalAddress at = address + (ulong)done;
            int step = LeftInPage(at, destination.Length - done);
            bool isRead = Options.Access == MonitorAccess.SystemCall
                ? Machine.Memory.Contains(at, (ulong)step) && Machine.Cpu.TryRead(at, destination.Slice(done, step))
                : TryReach(at, isWrite: false, out PhysicalAddress place) && Machine.Host.Memory.TryRead(place, destination.Slice(done, step));
            if (!isRead)
                return DmaStatus.Unclaimed;
            done += step;
        }

        return DmaStatus.Success;
    }

    /// <summary>Writes memory of the VM as a model does, page by page; it stops at the first that is none.</summary>
    /// <param name="address">The first byte, guest-physical.</param>
    /// <param name="source">The bytes.</param>
    public DmaStatus Write(GuestPhysicalAddress address, ReadOnlySpan<byte> source)
    {
        if (!TryBegin(source.Length))
            return DmaStatus.Unclaimed;
        for (int done = 0; done < source.Length;)
        {
            GuestPhysicalAddress at = address + (ulong)done;
            int step = LeftInPage(at, source.Length - done);
            bool isWritten = Options.Access == MonitorAccess.SystemCall
                ? Machine.Memory.Contains(at, (ulong)step) && Machine.Cpu.TryWrite(at, source.Slice(done, step))
                : TryReach(at, isWrite: true, out PhysicalAddress place) && Machine.Host.Memory.TryWrite(place, source.Slice(done, step));
            if (!isWritten)
                return DmaStatus.Unclaimed;
            done += step;
        }

        return DmaStatus.Success;
    }

    /// <summary>A list of the pages behind a range, for transfers that the service OS makes there (scatter/gather).</summary>
    /// <param name="start">The first byte, guest-physical.</param>
    /// <param name="length">Bytes, at least 1.</param>
    public ScatterList Gather(GuestPhysicalAddress start, int length) => new(this, start, length);

    /// <summary>Ends the process, at once and in the middle of whatever it does: its models are gone from the VM, its window shows nothing.</summary>
    /// <remarks>When it completes, no transfer of it runs, and nothing is pinned for it.</remarks>
    public async ValueTask Kill()
    {
        if (!IsAlive)
            return;
        IsAlive = false;
        _driver?.Remove(this);
        _ = Machine.Services.Remove(this);
        foreach (IGuestService model in _models.ToArray())
        {
            _ = Machine.Services.Remove(model);
            await model.Close();
        }

        await Transfers.Stop();
        _device.Close();
    }

    /// <inheritdoc/>
    ValueTask IGuestService.Close() => Kill();

    /// <inheritdoc/>
    bool IModelMemory.TryInterrupt()
    {
        if (!IsAlive)
            return false;
        Processor.Count(Cost.SystemCall);
        _driver?.Interrupt();
        Counts.Interrupts++;
        return true;
    }

    /// <summary>Where the pages of its window come from.</summary>
    internal IWindowPages Pages { get; }

    /// <summary>A model runs in it.</summary>
    internal void Add(IGuestService model) => _models.Add(model);

    /// <summary>A model does not run any more.</summary>
    internal void Remove(IGuestService model) => _ = _models.Remove(model);

    /// <summary>The guest accessed a register of a model: it waits until the model has answered.</summary>
    internal void Upcall()
    {
        Counts.Upcalls++;
        if (_driver is { } driver)
            driver.Upcall(Machine);
        else
            Machine.Cpu.Processor.Charge(Cost.Upcall);
    }

    /// <summary>The frame that the window shows of a page, which is there afterwards.</summary>
    /// <returns><c>false</c> where it is no memory of the VM.</returns>
    internal bool TryFindFrame(GuestPhysicalAddress page, out PhysicalAddress frame) => TryReach(page, isWrite: false, out frame);

    /// <summary>A processor copies bytes for it.</summary>
    internal void Copied(int bytes)
    {
        Processor.Count(Cost.Copy);
        Processor.Count(Cost.CopiedByte, (ulong)bytes);
    }

    private static int LeftInPage(GuestPhysicalAddress address, int length) => Math.Min(length, (int)FrameSize.Page4K.Bytes - address.PageOffset);

    private bool TryBegin(int bytes)
    {
        if (!IsAlive)
            return false;
        Counts.Accesses++;
        if (Options.Access == MonitorAccess.SystemCall)
        {
            Processor.Count(Cost.SystemCall);
            Counts.SystemCalls++;
        }

        Copied(bytes);
        return true;
    }

    // The access, and where it faults, once more.
    private bool TryReach(GuestPhysicalAddress address, bool isWrite, out PhysicalAddress place) =>
        TryTranslate(address, isWrite, out place) || (_device.HandleFault(address) && TryTranslate(address, isWrite, out place));

    private bool TryTranslate(GuestPhysicalAddress address, bool isWrite, out PhysicalAddress place)
    {
        place = default;
        return _window.TryFind(address, out ulong at) && _space.TryTranslate(at, isWrite, out place);
    }
}
