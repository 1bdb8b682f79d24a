using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>One round of the VMM's work for merged schedules: ends go to guests, what they added is copied, lists are linked anew, and the controller is told.</summary>
/// <param name="loop">The time.</param>
/// <param name="hardware">The controller.</param>
/// <param name="guests">The VMs.</param>
/// <param name="pool">Where the lists of the controller lie.</param>
/// <param name="options">How schedules are merged.</param>
internal sealed class MergeRounds(EventLoop loop, MergedEhci hardware, List<CopiedGuest> guests, CopyPool pool, MergeOptions options)
{
    private const ulong Never = ulong.MaxValue;

    private readonly MergeDrive _drive = new(loop, hardware);
    private ulong _merged;

    /// <summary>The asynchronous list of the controller.</summary>
    public AsyncMerge Async { get; } = new(pool);

    /// <summary>The periodic list of the controller.</summary>
    public PeriodicMerge Periodic { get; } = new(pool, hardware.Capabilities, options);

    /// <summary>When the next round is due by time alone.</summary>
    public ulong DueNs()
    {
        ulong due = Math.Min(Math.Min(Periodic.DueNs, _drive.RetryNs), LookNs());
        foreach (CopiedGuest guest in guests)
            due = Math.Min(due, guest.IsUrgent ? 0 : guest.FramesFreeNs);
        return due;
    }

    /// <summary>A round.</summary>
    public void Work()
    {
        UsbStatus status = hardware.Status;
        if ((status.Raw.Value & EhciRegisters.InterruptMask) != 0)
            hardware.Acknowledge(status);
        bool isFrame = LookNs() <= loop.NowNs;

        // 1. What the controller has ended goes to the guests, before anything new is looked for.
        bool hasEnds = isFrame || status.TransferInterrupt || status.ErrorInterrupt;
        if (hasEnds)
            Complete();
        if (status.AsyncAdvance)
            AnswerDoorbells();
        foreach (CopiedGuest guest in guests)
        {
            if (status.PortChange || guest.Ports.IsEnding)
                guest.Ports.Refresh();
        }

        // 2. What guests added or changed; then the lists are linked anew, and the isochronous part of the next frames is made.
        Look(isFrame, isCompleted: hasEnds);

        // Frames that passed while the VMM was busy are not merged any more.
        _merged = Math.Max(_merged, Math.Max(hardware.Clock.Count(loop.NowNs) >> 3, 1) - 1);
        while (LookNs() <= loop.NowNs)
            Periodic.Isochronous.Merge(++_merged, guests);

        // 3. What nobody holds any more is free; who waits for that is told.
        Retire();
        RingDoorbell();
        Drive();
        foreach (CopiedGuest guest in guests)
            guest.Settle();
    }

    /// <summary>The controller stands still, for an error or since it is gone: all guests find that theirs failed, and nothing is held any more.</summary>
    public void StandStill()
    {
        hardware.Clock.Stop(loop.NowNs);
        foreach (CopiedGuest guest in guests)
        {
            guest.Virtual.Die();
            _ = guest.Look();
        }

        Async.Splice(guests);
        Periodic.Splice(guests);
        Async.Forget();
        Periodic.Retire(Never);
        foreach (CopiedGuest guest in guests)
            guest.Retire(Never);
    }

    // When the list of the next frame is to be merged.
    private ulong LookNs()
    {
        if (!hardware.Clock.IsRunning)
            return Never;
        ulong start = hardware.Clock.StartOf(8 * (_merged + 1));
        long ahead = options.AheadMicroframes * (long)WireTime.MicroframeNs;
        return ahead > 0 ? start - Math.Min(start, (ulong)ahead) : start + (ulong)-ahead;
    }

    private void Complete()
    {
        foreach (CopiedGuest guest in guests)
            guest.Complete();
        Periodic.Isochronous.Complete();
    }

    private void Look(bool isFrame, bool isCompleted)
    {
        (bool async, bool periodic) = (false, false);
        foreach (CopiedGuest guest in guests)
        {
            if (!guest.IsUrgent && !(isFrame && guest.IsToLook))
                continue;

            // Not every end interrupts, and a look forgets what the controller has passed.
            if (!isCompleted)
                guest.Complete();
            (bool hasAsync, bool hasPeriodic) = guest.Look();
            (async, periodic) = (async | hasAsync, periodic | hasPeriodic);
            if (guest.Virtual.IsRinging && guest.DoorbellBy == 0)
                guest.DoorbellBy = Async.NextDoorbell;
        }

        if (async)
            Async.Splice(guests);
        if (periodic)
            Periodic.Splice(guests);
    }

    private void Retire()
    {
        ulong now = loop.NowNs;
        Periodic.Retire(now);
        Periodic.Isochronous.Retire(hardware.Clock.Count(now) >> 3);
        foreach (CopiedGuest guest in guests)
            guest.Retire(now);
    }

    private void AnswerDoorbells()
    {
        Async.Answer();
        foreach (CopiedGuest guest in guests)
        {
            if (guest.DoorbellBy == 0 || guest.DoorbellBy > Async.Answered)
                continue;
            guest.DoorbellBy = 0;
            guest.Virtual.AnswerDoorbell();
        }
    }

    private void RingDoorbell()
    {
        bool isWanted = Async.WantsDoorbell;
        foreach (CopiedGuest guest in guests)
            isWanted |= guest.DoorbellBy >= Async.NextDoorbell;
        if (Async.IsRinging || !isWanted || !hardware.Status.AsyncActive)
            return;
        Async.Ring();
        hardware.Command = hardware.Command with { AsyncAdvanceDoorbell = true };
    }

    // What the guests want together, and until nothing of them is held.
    private void Drive()
    {
        bool starts = _drive.Apply(
            Any(static guest => guest.Virtual.IsUp || !guest.IsStill),
            Any(static guest => guest.RunsAsync),
            Any(static guest => guest.RunsPeriodic));
        if (starts)
            _merged = hardware.Clock.Count(loop.NowNs) >> 3;
    }

    private bool Any(Predicate<CopiedGuest> predicate)
    {
        foreach (CopiedGuest guest in guests)
        {
            if (predicate(guest))
                return true;
        }

        return false;
    }
}
