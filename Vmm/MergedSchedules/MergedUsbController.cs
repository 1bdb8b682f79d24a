using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>One EHCI controller that runs the schedules of several VMs, merged into one by the VMM or by a merge engine; each VM has a virtual controller.</summary>
/// <remarks>
/// <code>
///   VM 0   registers (exits)     schedules           buffers
///   VM 1   registers (exits)     schedules           buffers
///              |                 | ^ ends               ^
///              v             look v |                   |  I/O window per VM
///   VMM    MergedGuest  --->  copies, one schedule      |   (by an engine: no copies)
///              |                 |                      |
///          registers             v                      |
///   real       +----------> controller -----------------+
/// </code>
/// Drivers need no change, and neither does the controller. Descriptors are copied, payloads never are. The controller stays with the host,
/// whose driver this is, as far as its <see cref="Assignment"/> is concerned.
/// </remarks>
public sealed class MergedUsbController : IHostDriver
{
    /// <summary>How many VMs can have a virtual controller at a time.</summary>
    public const int MachinesMax = 64;

    /// <summary>Pages for the copies of a VM.</summary>
    internal const int PoolPages = 64;

    private const ulong Never = ulong.MaxValue;
    private const int StructuresShownMax = 4096;

    // How long a controller may take to halt (EHCI, run/stop), and to end its reset.
    private const ulong HaltNsMax = 16 * WireTime.MicroframeNs;
    private const ulong ResetNsMax = 250_000_000;

    private readonly Host _host;
    private readonly Assignment _assignment;
    private readonly RealFunction _real;
    private readonly DeviceInterrupt _interrupt;
    private readonly MergedGuest?[] _byNumber = new MergedGuest?[MachinesMax];
    private readonly List<MergedGuest> _guests = [];
    private readonly Gate _gate = new();
    private readonly Signal _work;
    private readonly Signal _settled;
    private readonly IMerger _merger;
    private bool _isStopped;

    private MergedUsbController(Host host, Assignment assignment, RealFunction real, MergedEhci hardware, DeviceInterrupt interrupt, IMerger merger, MergeOptions options)
    {
        (_host, _assignment, _real, Hardware, _interrupt, _merger, Options) = (host, assignment, real, hardware, interrupt, merger, options);
        (_work, _settled) = (new(host.Loop), new(host.Loop));
    }

    /// <summary>The controller, by its place in the host's PCI hierarchy.</summary>
    public SourceId Source => _assignment.Source;

    /// <summary>Root ports.</summary>
    public int PortCount => Hardware.Structure.PortCount;

    /// <summary>The VMs, in the order in which they came.</summary>
    public IReadOnlyList<VirtualMachine> Machines => [.. _guests.Select(guest => guest.Machine)];

    /// <summary>The merged schedule, to look at; null where an engine merges, and it lies nowhere.</summary>
    public MergedPicture? Picture => _merger.Picture;

    /// <summary>Told of each access of a VM that left for the VMM; null for nobody.</summary>
    public Action<MergedTrap>? Trapped { get; set; }

    /// <summary>Told of each VM whose doorbell is answered, before it knows of it; null for nobody.</summary>
    public Action<VirtualMachine>? DoorbellAnswered { get; set; }

    /// <summary>How many interrupts the controller sent.</summary>
    public ulong Interrupts { get; private set; }

    /// <summary>Whether it was lost: it was pulled out, or did not come back from a reset. No VM has anything behind its virtual controller any more.</summary>
    public bool IsLost { get; private set; }

    internal MergeOptions Options { get; }

    internal MergedEhci Hardware { get; }

    internal PciIdentity Identity => _real.Identity;

    /// <summary>Takes a controller over from the host.</summary>
    /// <param name="host">A host that was booted.</param>
    /// <param name="source">Where it is: an EHCI controller that addresses 64 bits, which the host does not use.</param>
    /// <param name="options">How schedules are merged.</param>
    /// <returns><c>null</c> where it cannot be: there is no such controller, it is in use or part of a group, firmware uses memory through it; the VMM shall merge, and the remapping unit has fewer than 44 address bits; or an engine shall, and there is none.</returns>
    /// <exception cref="DeviceException">Its configuration space is malformed, or it does not react.</exception>
    public static async ValueTask<MergedUsbController?> Start(Host host, SourceId source, MergeOptions? options = null)
    {
        MergeOptions chosen = MergeOptions.Check(options);
        Assignment assignment = host.AssignmentOf(source);
        if (!assignment.IsUnused)
            return null;
        RealFunction real = new(host, source, new(host.Configuration.Open(source)));
        real.Restore();
        if (MergedEhci.TryOpen(real, host.Cpu.Processor) is not { Capabilities.Addresses64Bit: true } hardware || DeviceInterrupt.TryTake(host, source) is not { } interrupt)
            return null;
        IMerger? merger = chosen.Method == MergeMethod.Hardware
            ? EngineMerger.TryOpen(host, real, hardware, chosen)
            : await ScheduleMerger.TryCreate(host, hardware, chosen);
        if (merger is null)
        {
            await interrupt.Return();
            return null;
        }

        MergedUsbController controller = new(host, assignment, real, hardware, interrupt, merger, chosen);
        assignment.Driver = controller;
        if (!await controller.Prepare())
            throw new DeviceException($"{source} does not reset.");
        host.Loop.Start(controller.Forward);
        host.Loop.Start(controller.Serve);
        return controller;
    }

    /// <summary>Gives a VM a virtual controller, whose schedules are merged with those of others.</summary>
    /// <param name="machine">The VM; its memory must all be there.</param>
    /// <param name="guestAddress">Where in the guest's PCI hierarchy: bus 0, function 0.</param>
    /// <param name="ports">Root ports that are its own, from 1 on.</param>
    /// <returns>Done, or why not; nothing changed then.</returns>
    public async ValueTask<AssignmentResult> Give(VirtualMachine machine, SourceId guestAddress, params IReadOnlyList<int> ports)
    {
        await _gate.Enter();
        try
        {
            if (Refusal(machine, ports) is { } refusal)
                return refusal;
            int number = Array.IndexOf(_byNumber, null);
            (MergedGuest? guest, AssignmentResult result) = await _merger.TryAdd(this, machine, guestAddress, number, RootPorts.Mask(ports));
            if (guest is null)
                return result;
            _byNumber[number] = guest;
            _guests.Add(guest);
            guest.LookSoon();
            return result;
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Takes the virtual controller of a VM away, whatever it was doing; nothing happens where it has none.</summary>
    /// <param name="machine">The VM.</param>
    public async ValueTask TakeBack(VirtualMachine machine)
    {
        await _gate.Enter();
        try
        {
            if (Find(machine) is not { } guest)
                return;
            guest.Virtual.End();
            guest.LookSoon();
            while (!guest.IsStill)
                _ = await _settled.Wait();
            if (!IsLost)
                guest.Ports.Reset();
            _ = _guests.Remove(guest);
            _byNumber[guest.Number] = null;
            _merger.Remove(guest);
            await guest.Release();
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>What the merging of the schedules of a VM did.</summary>
    /// <param name="machine">A VM that has a virtual controller.</param>
    public MergeStatistics StatisticsOf(VirtualMachine machine)
    {
        MergedGuest guest = GuestOf(machine);
        guest.Tally();
        return guest.Statistics;
    }

    /// <summary>The registers that a VM sees: name and value.</summary>
    /// <param name="machine">A VM that has a virtual controller.</param>
    public IReadOnlyList<(string Name, uint Value)> RegistersOf(VirtualMachine machine) => GuestOf(machine).Virtual.Registers;

    /// <summary>The list of a frame as its VM has it.</summary>
    /// <param name="machine">A VM that has a virtual controller.</param>
    /// <param name="frame">The element of the frame list of the controller, 0 to 1023.</param>
    public IReadOnlyList<MergedStructure> GuestFrame(VirtualMachine machine, int frame)
    {
        List<MergedStructure> found = [];
        MergedGuest guest = GuestOf(machine);
        int shift = guest.FrameShift;
        int element = (frame + shift) & (guest.Virtual.FrameListLength - 1);
        for (ulong at = guest.Virtual.FrameList + (sizeof(uint) * (uint)element); found.Count < StructuresShownMax;)
        {
            if (!guest.Virtual.WantsPeriodic || !guest.Space.TryPeek(at, out LinkPointer next) || next.Terminate)
                break;
            at = guest.At(next.Address);
            found.Add(new(machine, next.Type, new(at)));
        }

        return found;
    }

    /// <summary>What the controller has of the asynchronous list of a VM although the VM has unlinked it; empty where an engine merges, and copies nothing.</summary>
    /// <param name="machine">A VM that has a virtual controller.</param>
    public IReadOnlyList<MergedStructure> Unlinked(VirtualMachine machine)
    {
        HashSet<ulong> linked = [];
        MergedGuest guest = GuestOf(machine);
        for (ulong at = guest.At(guest.Virtual.AsyncListAddress); linked.Count < StructuresShownMax && linked.Add(at);)
        {
            if (!guest.Virtual.WantsAsync || !guest.Space.TryPeek(at, out LinkPointer next))
                break;
            at = guest.At(next.Address);
        }

        return [.. (Picture?.Async ?? []).Where(structure => structure.Machine == machine && !linked.Contains(structure.GuestAddress.Value))];
    }

    /// <summary>An operational register of the real controller.</summary>
    /// <param name="operational">Its offset.</param>
    public uint RealRegister(int operational) => Hardware[operational];

    /// <summary>Whose device has an address on the bus.</summary>
    /// <param name="real">The address.</param>
    /// <returns><c>null</c> where it is nobody's.</returns>
    public VirtualMachine? OwnerOf(byte real) => _merger.OwnerOf(real) is var owner and >= 0 ? _byNumber[owner]?.Machine : null;

    /// <inheritdoc/>
    public async ValueTask<bool> Release()
    {
        if (_guests.Count != 0)
            return false;
        _isStopped = true;
        _work.Raise();
        _interrupt.Signal.Raise();
        _real.SetBusMaster(false);
        _real.SendTo(null);
        if (_host.Remapping.IsAttached(Source))
            await _host.Remapping.Detach(Source);
        await _interrupt.Return();
        await _merger.Close();
        _assignment.Driver = null;
        return true;
    }

    /// <inheritdoc/>
    public ValueTask<bool> Take() => new(false);

    /// <summary>There is something to do.</summary>
    internal void Wake() => _work.Raise();

    private MergedGuest? Find(VirtualMachine machine) => _guests.Find(guest => guest.Machine == machine);

    private MergedGuest GuestOf(VirtualMachine machine) =>
        Find(machine) ?? throw new ArgumentException($"{machine} has no virtual controller of this one.", nameof(machine));

    private AssignmentResult? Refusal(VirtualMachine machine, IReadOnlyList<int> ports)
    {
        if (_isStopped || IsLost)
            return new(AssignmentRefusal.NotThere, $"{Source} is not shared any more");
        if (!machine.IsRunning)
            return new(AssignmentRefusal.NoMachine, $"{machine.Name} has ended");
        if (Find(machine) is not null || _guests.Count == _merger.MachinesMax)
            return new(AssignmentRefusal.WrongState, $"{machine.Name} has {Source} already, or too many others have");
        if (machine.Memory.Lazy is not null)
            return new(AssignmentRefusal.NotAllMapped, $"memory of {machine.Name} comes when it is touched");
        if (!RootPorts.AreThere(ports, PortCount))
            return new(AssignmentRefusal.NotThere, $"{Source} has root ports 1 to {PortCount}");
        return _guests.Find(guest => (guest.Ports.Own & RootPorts.Mask(ports)) != 0) is { } other
            ? new(AssignmentRefusal.GroupInUse, $"a port is that of {other.Machine.Name}")
            : null;
    }

    // Out of the hands of the host: stopped, reset, with an empty schedule.
    private async ValueTask<bool> Prepare()
    {
        _real.SetBusMaster(false);
        if (!await Reset())
            return false;
        await _interrupt.Route();
        _real.SendTo(_interrupt.Message);
        if (await _host.Remapping.Attach(Source, _merger.Domain) != DmaRefusal.None)
            return false;
        _real.SetBusMaster(true);
        return true;
    }

    private async ValueTask<bool> Reset()
    {
        Hardware.Command = Hardware.Command with { Run = false };
        _ = await Expect(HaltNsMax, () => Hardware.Status.Halted);
        Hardware.Command = new() { Reset = true };
        if (!await Expect(ResetNsMax, () => !Hardware.Command.Reset))
            return false;
        (uint segment, uint frameList, uint ring) = _merger.Lists;
        Hardware[EhciOperationalOffsets.Segment] = segment;
        Hardware[EhciOperationalOffsets.PeriodicListBase] = frameList;
        Hardware[EhciOperationalOffsets.AsyncListAddress] = ring;
        Hardware[EhciOperationalOffsets.FrameIndex] = FrameClock.IndexOf(Hardware.Clock.Count(_host.Loop.NowNs));
        Hardware[EhciOperationalOffsets.InterruptEnable] = EhciRegisters.InterruptMask & ~StatusBits.FrameListRollover;
        Hardware[EhciOperationalOffsets.ConfigureFlag] = 1;
        if (!Hardware.Structure.PortPowerControl)
            return true;
        for (int index = 0; index < PortCount; index++)
            Hardware.SetPort(index, Hardware.Port(index) with { Power = true });
        return true;
    }

    private async ValueTask<bool> Expect(ulong timeoutNs, Func<bool> condition)
    {
        ulong endNs = _host.Loop.NowNs + timeoutNs;
        while (!condition())
        {
            if (_host.Loop.NowNs >= endNs || Hardware.IsGone)
                return false;
            await _host.Cpu.Processor.Delay(WireTime.MicroframeNs / 8);
        }

        return true;
    }

    private async Task Forward()
    {
        while (await _interrupt.Signal.Wait() && !_isStopped)
        {
            Interrupts++;
            _work.Raise();
        }
    }

    // The task of the VMM that merges, for as long as the controller is there.
    private async Task Serve()
    {
        while (!_isStopped && !IsLost)
        {
            // What the last look cost has passed before the next one begins.
            await _host.Cpu.Processor.Delay(0);
            ulong now = _host.Loop.NowNs, due = _merger.DueNs();
            if (due > now)
                _ = await _work.Wait(due == Never ? Never : due - now);
            if (_isStopped)
                return;
            if (Hardware.IsGone)
                Lose();
            else if (Hardware.Status is { HostSystemError: true })
                await Recover();
            else
                _merger.Work();
            _settled.Raise();
            _settled.Clear();
        }
    }

    // The controller stopped for an error, which no guest can cause: all of them find that theirs did.
    private async ValueTask Recover()
    {
        _merger.StandStill();
        if (!await Reset())
            Lose();
        else
            _merger.Work();
    }

    private void Lose()
    {
        IsLost = true;
        _real.SetBusMaster(false);
        _merger.StandStill();
        foreach (MergedGuest guest in _guests)
            guest.Settle();
    }
}
