using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>One VM whose schedules are merged: its virtual controller, and what the VMM knows and keeps of its lists.</summary>
internal sealed class MergedGuest : IGuestService
{
    private readonly MergedUsbController _controller;
    private readonly Stack<TransferCopy> _free = new();
    private readonly GuestRing _ring;
    private readonly GuestFrames _frames;
    private readonly FrameLook _frameLook;
    private readonly PeriodicBudget _share;
    private readonly List<(QueueCopy Queue, PeriodicTurns Turns)> _admitted = [];
    private readonly StorePages? _stores;
    private PolledRegisters? _polled;
    private ulong _bar;

    private MergedGuest(MergedUsbController controller, VirtualMachine machine, int number, CopyPool pool, GuestSpace space, MergeStatistics statistics, uint ports)
    {
        (_controller, Machine, Number, Pool, Space, Statistics) = (controller, machine, number, pool, space, statistics);
        (_ring, _frames, _frameLook) = (new(this), new(this), new(this));
        _share = new(PeriodicStand.Frames, Options.PeriodicShareNs);
        Virtual = new(this, controller.Hardware, ports, controller.Wake);
        Function = new(controller.Identity, Virtual);
        if (Options.Discovery == DiscoveryMethod.WriteProtection)
            _stores = new(machine, Stored);
    }

    /// <summary>The VM.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>Its number on the controller.</summary>
    public int Number { get; }

    /// <summary>Where its copies lie.</summary>
    public CopyPool Pool { get; }

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

    /// <summary>How schedules are merged.</summary>
    public MergeOptions Options => _controller.Options;

    /// <summary>Which devices have which addresses.</summary>
    public BusAddresses Addresses => _controller.Addresses;

    /// <summary>Bits 63:32 of the device address of its memory.</summary>
    public uint Window => _controller.WindowOf(this);

    /// <summary>Its asynchronous list.</summary>
    public IReadOnlyList<QueueCopy> Ring => _ring.Queues;

    /// <summary>Its interrupt queues.</summary>
    public IReadOnlyList<QueueCopy> InterruptQueues => _frames.Queues;

    /// <summary>The doorbell of the real controller that answers its own; 0 where its own is not rung, or was not noticed yet.</summary>
    public ulong DoorbellBy { get; set; }

    /// <summary>Whether its schedules are to be looked at before the next frame.</summary>
    public bool IsToLook { get; private set; }

    /// <summary>When its isochronous copies are free that were unlinked; the end of time where there are none.</summary>
    public ulong FramesFreeNs { get; private set; } = ulong.MaxValue;

    /// <summary>Whether the controller holds nothing of it.</summary>
    public bool IsStill => !RunsAsync && !RunsPeriodic;

    /// <summary>Whether its schedules are to be looked at as soon as possible.</summary>
    public bool IsUrgent { get; private set; }

    /// <summary>Whether the controller has something of its asynchronous list, or is to have.</summary>
    public bool RunsAsync => Virtual.WantsAsync || Ring.Count != 0 || _controller.Async.HoldsOf(this);

    /// <summary>Whether the controller has something of its periodic list, or is to have.</summary>
    public bool RunsPeriodic => Virtual.WantsPeriodic || InterruptQueues.Count != 0 || FramesFreeNs != ulong.MaxValue || _controller.Periodic.HoldsOf(this);

    /// <summary>Gives a VM a virtual controller.</summary>
    /// <returns>The guest, or why not; nothing changed then.</returns>
    public static async ValueTask<(MergedGuest?, AssignmentResult)> TryCreate(
        MergedUsbController controller, VirtualMachine machine, SourceId guestAddress, int number, uint ports)
    {
        if (guestAddress.Bus != 0 || guestAddress.Function != 0 || machine.Pci.Find(guestAddress) is not null)
            return (null, new(AssignmentRefusal.GuestPlace, $"{guestAddress} of {machine.Name} is taken or no place for a device"));
        RegisterPoller? poller = controller.Options.Poller;
        ulong bar = 0;
        if (poller is null && !machine.BarPlaces.TryTake(UsbDevice.EhciRegisters.WindowLength, out bar))
            return (null, new(AssignmentRefusal.GuestPlace, $"{machine.Name} has no room for the registers"));
        CopyPool? pool = await CopyPool.TryCreate(machine.Host, controller.Domain, number + 1, MergedUsbController.PoolPages);
        MergeStatistics statistics = new();
        GuestSpace space = new(machine, controller.Domain, number, statistics);
        if (pool is null || !await space.TryOpen())
        {
            await space.Close();
            await (pool?.Close() ?? default);
            if (poller is null)
                machine.BarPlaces.Return(bar);
            return (null, new(AssignmentRefusal.NotAllMapped, $"not all memory of {machine.Name} can be mapped"));
        }

        MergedGuest guest = new(controller, machine, number, pool, space, statistics, ports) { _bar = bar };
        machine.DeviceModels.Add(guestAddress, memory: null, isPolled: poller is not null);
        if (poller is not null)
        {
            guest._polled = poller.Plug(machine, guest.Function, guestAddress, PolledAccess.WriteRing);
        }
        else
        {
            machine.Pci.Add(guest.Function, guestAddress.Device);
            machine.Pci.WriteConfiguration(guestAddress, PciOffset.Bar0, 4, (uint)bar);
        }

        machine.Services.Add(guest);
        return (guest, AssignmentResult.Done);
    }

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

    /// <summary>A structure of the guest was read.</summary>
    public void Visited(uint address) => _stores?.Hold(At(address));

    /// <summary>A store of the guest changed its schedules.</summary>
    public void Stored(int count)
    {
        Statistics.ProtectedStores += (ulong)count;
        LookSoon();
    }

    /// <summary>Its doorbell was rung.</summary>
    public void RingDoorbell()
    {
        if (Options.Skips(MergeSteps.Doorbell))
        {
            Virtual.AnswerDoorbell();
            return;
        }

        DoorbellBy = 0;
        LookSoon();
    }

    /// <summary>Its schedules are to be looked at as soon as possible.</summary>
    public void LookSoon()
    {
        IsUrgent = true;
        _controller.Wake();
    }

    /// <summary>Looks at its schedules, and copies what it added or changed.</summary>
    /// <returns>Whether the lists of the controller have to be linked anew: the asynchronous one, the periodic one.</returns>
    public (bool Async, bool Periodic) Look()
    {
        Statistics.Scans++;
        IsUrgent = false;
        _stores?.Begin();
        bool async = _ring.Look(_controller.Async);
        bool periodic = _frames.Look(_controller.Periodic, Machine.Host.Loop.NowNs);
        if (Virtual.IsDead && Ring.Count != 0)
            async |= _ring.Look(_controller.Async);
        _stores?.End();
        if (!Virtual.WantsPeriodic && _controller.Periodic.Isochronous.Unlink(this))
            FramesFreeNs = Machine.Host.Loop.NowNs + _controller.Periodic.LagNs;
        if (periodic)
            Admit();

        // What could not be copied yet is tried again before the next frame.
        IsToLook = Options.Discovery == DiscoveryMethod.Scan || _ring.HasHeld || _frames.HasHeld;
        return (async, periodic);
    }

    /// <summary>Copies its isochronous descriptors for a frame.</summary>
    public void CopyFrame(FrameMerge merge, ulong number, List<FrameCopy> copies)
    {
        if (!Virtual.WantsPeriodic || Virtual.Status.Halted)
            return;
        int frame = ((int)(number % PeriodicStand.Frames) + FrameShift) & (Virtual.FrameListLength - 1);
        if (!_frameLook.TryCopy(_frames.First(frame), merge, number, copies))
            Virtual.Die();
    }

    /// <summary>Writes back what the controller has ended.</summary>
    public void Complete()
    {
        _ring.Complete();
        _frames.Complete();
    }

    /// <summary>Unlinked isochronous copies that the controller cannot hold any more are free.</summary>
    public void Retire(ulong nowNs)
    {
        if (FramesFreeNs > nowNs)
            return;
        _controller.Periodic.Isochronous.Release(this);
        FramesFreeNs = ulong.MaxValue;
    }

    /// <summary>What became of its schedules shows in its registers.</summary>
    public void Settle() => Virtual.Follow(RunsAsync, RunsPeriodic);

    /// <summary>Puts the addresses into all copies that devices have now.</summary>
    public void RefreshAddresses()
    {
        _ring.WriteEndpoints();
        _frames.WriteEndpoints();
        _controller.Periodic.Isochronous.WriteEndpoints(this);
    }

    /// <summary>Whether an interrupt queue has a place in the bus time.</summary>
    public bool IsAdmitted(QueueCopy queue) => _admitted.Exists(entry => entry.Queue == queue);

    /// <summary>What its interrupt queues take of the microframes of a frame.</summary>
    public ReadOnlySpan<uint> ShareOf(int frame) => _share.Loads.Slice(8 * frame, 8);

    /// <summary>A qTD and a slot for it.</summary>
    /// <returns><c>null</c> where no slot is free.</returns>
    public TransferCopy? TryTake(uint guestAddress)
    {
        TransferCopy copy = _free.TryPop(out TransferCopy? known) ? known : new();
        if (!Pool.TryTake(copy, out uint address))
        {
            _free.Push(copy);
            return null;
        }

        (copy.GuestAddress, copy.Address, copy.IsArmed, copy.IsBroken, copy.Look, copy.Guest) = (guestAddress, address, false, false, 0, default);
        return copy;
    }

    /// <summary>Gives a qTD and its slot back.</summary>
    public void Return(TransferCopy copy)
    {
        Pool.Return(copy.Address);
        _free.Push(copy);
    }

    /// <inheritdoc/>
    public ValueTask Close() => _controller.TakeBack(Machine);

    /// <summary>The guest does not see the controller any more; nothing of it is on the bus.</summary>
    public async ValueTask Release()
    {
        _ = Machine.Services.Remove(this);
        Virtual.Close();
        _stores?.Close();
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
        await Pool.Close();
        await Space.Close();
    }

    // Whoever has a place keeps it; those that come later have what is left.
    private void Admit()
    {
        for (int index = _admitted.Count - 1; index >= 0; index--)
        {
            (QueueCopy queue, PeriodicTurns turns) = _admitted[index];
            if (InterruptQueues.Contains(queue) && queue.Stand.Turns(queue) == turns)
                continue;
            _controller.Periodic.Budget.Remove(turns);
            _share.Remove(turns);
            _admitted.RemoveAt(index);
        }

        foreach (QueueCopy queue in InterruptQueues)
        {
            if (IsAdmitted(queue))
                continue;
            PeriodicTurns turns = queue.Stand.Turns(queue);
            bool hasShare = _share.TryAdmit(turns);
            if (hasShare && _controller.Periodic.Budget.TryAdmit(turns))
            {
                _admitted.Add((queue, turns));
                continue;
            }

            if (hasShare)
                _share.Remove(turns);
            Statistics.Unadmitted++;
        }
    }
}
