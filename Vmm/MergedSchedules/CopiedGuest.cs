using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>One VM whose schedules the VMM copies: what it knows and keeps of its lists.</summary>
internal sealed class CopiedGuest : MergedGuest
{
    private readonly ScheduleMerger _merger;
    private readonly Stack<TransferCopy> _free = new();
    private readonly GuestRing _ring;
    private readonly GuestFrames _frames;
    private readonly FrameLook _frameLook;
    private readonly PeriodicBudget _share;
    private readonly List<(QueueCopy Queue, PeriodicTurns Turns)> _admitted = [];
    private readonly StorePages? _stores;

    // A frame is copied before it begins, so drivers stay a whole frame ahead.
    private CopiedGuest(
        MergedUsbController controller, ScheduleMerger merger, VirtualMachine machine, int number, CopyPool pool, GuestSpace space, MergeStatistics statistics, uint ports)
        : base(controller, machine, number, space, statistics, ports, merger.Addresses, readsAhead: true)
    {
        (_merger, Pool) = (merger, pool);
        (_ring, _frames, _frameLook) = (new(this), new(this), new(this));
        _share = new(PeriodicStand.Frames, Options.PeriodicShareNs);
        if (Options.Discovery == DiscoveryMethod.WriteProtection)
            _stores = new(machine, Stored);
    }

    /// <summary>Where its copies lie.</summary>
    public CopyPool Pool { get; }

    /// <summary>Which devices have which addresses.</summary>
    public BusAddresses Addresses => _merger.Addresses;

    /// <summary>Bits 63:32 of the device address of its memory.</summary>
    public uint Window => _merger.WindowOf(this);

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

    /// <inheritdoc/>
    public override bool RunsAsync => Virtual.WantsAsync || Ring.Count != 0 || _merger.Async.HoldsOf(this);

    /// <inheritdoc/>
    public override bool RunsPeriodic => Virtual.WantsPeriodic || InterruptQueues.Count != 0 || FramesFreeNs != ulong.MaxValue || _merger.Periodic.HoldsOf(this);

    /// <summary>Gives a VM a virtual controller.</summary>
    /// <returns>The guest, or why not; nothing changed then.</returns>
    public static async ValueTask<(CopiedGuest?, AssignmentResult)> TryCreate(
        MergedUsbController controller, ScheduleMerger merger, VirtualMachine machine, SourceId guestAddress, int number, uint ports)
    {
        AssignmentResult place = TryPlace(controller, machine, guestAddress, out ulong bar);
        if (!place.IsDone)
            return (null, place);
        CopyPool? pool = await CopyPool.TryCreate(machine.Host, merger.Domain, number + 1, MergedUsbController.PoolPages);
        MergeStatistics statistics = new();
        GuestSpace space = new(machine, merger.Domain, GuestSpace.WindowOf(number), statistics);
        if (pool is null || !await space.TryOpen())
        {
            await space.Close();
            await (pool?.Close() ?? default);
            ReturnPlace(controller, machine, bar);
            return (null, new(AssignmentRefusal.NotAllMapped, $"not all memory of {machine.Name} can be mapped"));
        }

        CopiedGuest guest = new(controller, merger, machine, number, pool, space, statistics, ports);
        guest.Plug(guestAddress, bar);
        return (guest, AssignmentResult.Done);
    }

    /// <summary>A structure of the guest was read.</summary>
    public void Visited(uint address) => _stores?.Hold(At(address));

    /// <summary>A store of the guest changed its schedules.</summary>
    public void Stored(int count)
    {
        Statistics.ProtectedStores += (ulong)count;
        Trap(-1, isWrite: true, (ulong)count);
        LookSoon();
    }

    /// <inheritdoc/>
    public override void RingDoorbell()
    {
        if (Options.Skips(MergeSteps.Doorbell))
        {
            Virtual.AnswerDoorbell();
            return;
        }

        DoorbellBy = 0;
        LookSoon();
    }

    /// <summary>Looks at its schedules, and copies what it added or changed.</summary>
    /// <returns>Whether the lists of the controller have to be linked anew: the asynchronous one, the periodic one.</returns>
    public (bool Async, bool Periodic) Look()
    {
        Statistics.Scans++;
        IsUrgent = false;
        _stores?.Begin();
        bool async = _ring.Look(_merger.Async);
        bool periodic = _frames.Look(_merger.Periodic, Machine.Host.Loop.NowNs);
        if (Virtual.IsDead && Ring.Count != 0)
            async |= _ring.Look(_merger.Async);
        _stores?.End();
        if (!Virtual.WantsPeriodic && _merger.Periodic.Isochronous.Unlink(this))
            FramesFreeNs = Machine.Host.Loop.NowNs + _merger.Periodic.LagNs;
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
        int element = (int)(number % PeriodicStand.Frames);
        if (element >= Virtual.FrameListLength && Options.Skips(MergeSteps.Repetition))
            return;
        int frame = (element + FrameShift) & (Virtual.FrameListLength - 1);
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
        _merger.Periodic.Isochronous.Release(this);
        FramesFreeNs = ulong.MaxValue;
    }

    /// <summary>Puts the addresses into all copies that devices have now.</summary>
    public void RefreshAddresses()
    {
        _ring.WriteEndpoints();
        _frames.WriteEndpoints();
        _merger.Periodic.Isochronous.WriteEndpoints(this);
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
    public override async ValueTask Release()
    {
        await base.Release();
        _stores?.Close();
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
            _merger.Periodic.Budget.Remove(turns);
            _share.Remove(turns);
            _admitted.RemoveAt(index);
        }

        foreach (QueueCopy queue in InterruptQueues)
        {
            if (IsAdmitted(queue))
                continue;
            PeriodicTurns turns = queue.Stand.Turns(queue);
            bool hasShare = _share.TryAdmit(turns);
            if (hasShare && _merger.Periodic.Budget.TryAdmit(turns))
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
