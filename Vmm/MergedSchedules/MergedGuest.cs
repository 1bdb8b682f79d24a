using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>One VM whose schedules are merged with those of others, and the virtual controller that it sees.</summary>
internal abstract class MergedGuest : IGuestService
{
    private readonly MergedUsbController _controller;
    private PolledRegisters? _polled;
    private ulong _bar;

    /// <summary>A guest that does not see its controller yet.</summary>
    /// <param name="controller">The real controller.</param>
    /// <param name="machine">The VM.</param>
    /// <param name="number">Its number on the controller.</param>
    /// <param name="space">Its memory.</param>
    /// <param name="statistics">What it costs.</param>
    /// <param name="ports">Root ports that are its own, a bit for each.</param>
    /// <param name="addresses">Who replaces device addresses.</param>
    /// <param name="readsAhead">Whether a frame is read before it begins.</param>
    protected MergedGuest(
        MergedUsbController controller, VirtualMachine machine, int number, GuestSpace space, MergeStatistics statistics, uint ports, IPortAddresses addresses, bool readsAhead)
    {
        (_controller, Machine, Number, Space, Statistics, PortAddresses) = (controller, machine, number, space, statistics, addresses);
        Virtual = new(this, controller.Hardware, ports, readsAhead, controller.Wake);
        Function = new(controller.Identity, Virtual);
    }

    /// <summary>The VM.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>Its number on the controller.</summary>
    public int Number { get; }

    /// <summary>Its memory.</summary>
    public GuestSpace Space { get; }

    /// <summary>The registers that it sees.</summary>
    public VirtualEhci Virtual { get; }

    /// <summary>The root ports that it sees.</summary>
    public VirtualPorts Ports => Virtual.Ports;

    /// <summary>The function in its PCI hierarchy.</summary>
    public VirtualEhciFunction Function { get; }

    /// <summary>What it cost.</summary>
    public MergeStatistics Statistics { get; }

    /// <summary>Who replaces device addresses.</summary>
    public IPortAddresses PortAddresses { get; }

    /// <summary>How schedules are merged.</summary>
    public MergeOptions Options => _controller.Options;

    /// <summary>Its doorbell was answered: the guest believes that the controller has nothing that it unlinked.</summary>
    public void Answered() => _controller.DoorbellAnswered?.Invoke(Machine);

    /// <summary>It left for the VMM.</summary>
    /// <param name="offset">Where among the registers; below 0 for a store into schedules.</param>
    /// <param name="isWrite">Whether it wrote.</param>
    /// <param name="value">What was read or written, or how many stores.</param>
    public void Trap(int offset, bool isWrite, ulong value)
    {
        if (_controller.Trapped is { } trapped)
            trapped(new(Machine.Host.Loop.NowNs, Machine, offset < 0 ? "" : Virtual.NameOf(offset), isWrite, value));
    }

    /// <summary>Whether the controller has something of its asynchronous list, or is to have.</summary>
    public abstract bool RunsAsync { get; }

    /// <summary>Whether the controller has something of its periodic list, or is to have.</summary>
    public abstract bool RunsPeriodic { get; }

    /// <summary>Whether the controller holds nothing of it.</summary>
    public bool IsStill => !RunsAsync && !RunsPeriodic;

    /// <summary>Whether it is to be looked at as soon as possible.</summary>
    public bool IsUrgent { get; protected set; }

    /// <summary>How far its frame index is ahead of that of the bus, in frames modulo the longest list.</summary>
    public int FrameShift
    {
        get
        {
            ulong now = Machine.Host.Loop.NowNs;
            return (int)(((Virtual.Clock.Count(now) >> 3) - (_controller.Hardware.Clock.Count(now) >> 3)) % PeriodicStand.Frames);
        }
    }

    /// <summary>Where the guest has a structure.</summary>
    public ulong At(uint address) => Virtual.Segment | address;

    /// <summary>Its doorbell was rung.</summary>
    public abstract void RingDoorbell();

    /// <summary>Brings what others count into its statistics.</summary>
    public virtual void Tally()
    {
    }

    /// <summary>It is to be looked at as soon as possible.</summary>
    public void LookSoon()
    {
        IsUrgent = true;
        _controller.Wake();
    }

    /// <summary>What became of its schedules shows in its registers.</summary>
    public void Settle() => Virtual.Follow(RunsAsync, RunsPeriodic);

    /// <inheritdoc/>
    public ValueTask Close() => _controller.TakeBack(Machine);

    /// <summary>The guest does not see the controller any more; nothing of it is on the bus.</summary>
    public virtual ValueTask Release()
    {
        _ = Machine.Services.Remove(this);
        Virtual.Close();
        SourceId place = Function.Source;
        if (_polled is { } polled)
        {
            polled.Unplug();
        }
        else
        {
            if (Function.Bus is not null)
                Machine.Pci.Root.Remove(Function);
            Machine.BarPlaces.Return(_bar);
        }

        Machine.DeviceModels.Remove(place);
        return default;
    }

    /// <summary>Whether there is room for a virtual controller in the hierarchy of a VM.</summary>
    /// <returns>Where its registers will be, or why not.</returns>
    protected static AssignmentResult TryPlace(MergedUsbController controller, VirtualMachine machine, SourceId guestAddress, out ulong bar)
    {
        bar = 0;
        if (guestAddress.Bus != 0 || guestAddress.Function != 0 || machine.Pci.Find(guestAddress) is not null)
            return new(AssignmentRefusal.GuestPlace, $"{guestAddress} of {machine.Name} is taken or no place for a device");
        return controller.Options.Poller is null && !machine.BarPlaces.TryTake(EhciRegisters.WindowLength, out bar)
            ? new(AssignmentRefusal.GuestPlace, $"{machine.Name} has no room for the registers")
            : AssignmentResult.Done;
    }

    /// <summary>The place is not needed after all.</summary>
    protected static void ReturnPlace(MergedUsbController controller, VirtualMachine machine, ulong bar)
    {
        if (controller.Options.Poller is null)
            machine.BarPlaces.Return(bar);
    }

    /// <summary>The guest sees its controller.</summary>
    protected void Plug(SourceId guestAddress, ulong bar)
    {
        _bar = bar;
        RegisterPoller? poller = Options.Poller;
        Machine.DeviceModels.Add(guestAddress, memory: null, isPolled: poller is not null);
        if (poller is not null)
        {
            _polled = poller.Plug(Machine, Function, guestAddress, PolledAccess.WriteRing);
        }
        else
        {
            Machine.Pci.Add(Function, guestAddress.Device);
            Machine.Pci.WriteConfiguration(guestAddress, PciOffset.Bar0, 4, (uint)bar);
        }

        Machine.Services.Add(this);
    }
}
