using System.Runtime.InteropServices;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Visits the queue heads of both schedules (EHCI, managing transfers by queue heads).</summary>
/// <remarks>
/// Everything that a visit changes is written back before it returns: first the data, then the qTD that is retired,
/// then the overlay; the status of an interrupt is posted last.
/// </remarks>
internal sealed class QueueExecutor(ScheduleMemory memory, EhciWire wire, IScheduleEvents events)
{
    private readonly HighSpeedQueue _highSpeed = new(new(memory, new(wire)), wire, events);
    private readonly SplitQueue _split = new(new(memory, new(wire)), wire);

    /// <summary>Visits a queue head and executes at most so many of its transactions.</summary>
    /// <param name="address">Where it lies.</param>
    /// <param name="head">What was read there; on return, what is there now.</param>
    /// <param name="context">Under which circumstances.</param>
    public QueueVisit Visit(uint address, ref QueueHead head, in VisitContext context)
    {
        QueueRun run = new() { Head = head, Context = context, IsDirty = context.IsDirty };
        bool isHighSpeed = head.Characteristics.Speed == EndpointSpeed.High;
        VisitOutcome outcome = Prepare(ref run, isHighSpeed);
        for (int done = 0; outcome == VisitOutcome.Transacted && done < context.TransactionsMax; done++)
        {
            outcome = isHighSpeed ? _highSpeed.Transact(ref run) : _split.Transact(ref run);
            if (run.IsOver)
                break;
        }

        head = run.Head;
        if (outcome == VisitOutcome.Fault || run.HasFault || (run.IsDirty && !WriteBack(address, head)))
            return new(VisitOutcome.Fault);
        if (run.Posts != 0)
            events.Post(run.Posts);
        if (run.WireNs != 0)
            return new(VisitOutcome.Transacted, run.WireNs);

        // With a device that is not on the bus, it was only looked at.
        return new(outcome == VisitOutcome.Transacted ? VisitOutcome.Skipped : outcome);
    }

    // Decides whether there is a transaction to execute: `Transacted` says yes.
    private VisitOutcome Prepare(ref QueueRun run, bool isHighSpeed)
    {
        TransferToken token = run.Token;
        EndpointCharacteristics endpoint = run.Head.Characteristics;
        if (token.Halted || (run.Context.IsPeriodic && !IsDue(run, isHighSpeed)))
            return VisitOutcome.Skipped;
        if (!token.Active)
        {
            if (!isHighSpeed && endpoint.InactivateOnNext)
                return VisitOutcome.Skipped;
            VisitOutcome advanced = Advance(ref run);
            if (advanced != VisitOutcome.Transacted)
                return advanced;
        }
        else if (!isHighSpeed && run.Context.IsPeriodic && endpoint.InactivateOnNext && !token.SplitTransactionState)
        {
            // I: the queue stops before its next start-split, so that software can move it to other microframes.
            run.SetToken(token with { Active = false });
            return VisitOutcome.Skipped;
        }

        // A queue head whose NAKs are used up waits for the next restart of the list.
        bool isTired = !run.Context.IsPeriodic && endpoint.NakReload != 0 && run.Head.Overlay.AlternateNext.NakCounter == 0;
        return isTired ? VisitOutcome.Skipped : VisitOutcome.Transacted;
    }

    // An interrupt endpoint is asked where its S-mask says; a split that was started is looked at in every microframe.
    private static bool IsDue(in QueueRun run, bool isHighSpeed)
    {
        if (!isHighSpeed && run.Token is { Active: true, SplitTransactionState: true })
            return true;
        return !run.Context.IsRecovery && (run.Head.Capabilities.StartMask & run.Context.MicroframeBit) != 0;
    }

    // Advance queue: the alternate qTD after a short packet, otherwise the next one; it is taken only if active.
    private VisitOutcome Advance(ref QueueRun run)
    {
        ref readonly QueueHead head = ref run.Head;
        TransferLink link = head.Overlay.Token.TotalBytes != 0 && !head.Overlay.AlternateNext.Terminate
            ? head.Overlay.AlternateNext
            : head.Overlay.Next;
        if (link.Terminate)
            return VisitOutcome.Skipped;
        int size = memory.Is64Bit ? TransferDescriptor.Size64 : TransferDescriptor.Size32;
        if (!memory.TryRead(link.Address, size, out TransferDescriptor next))
            return VisitOutcome.Fault;
        if (!next.Token.Active)
            return VisitOutcome.Skipped;

        // Overlay: the queue head keeps its toggle unless DTC, its ping state at high speed, and starts with fresh NAKs.
        EndpointCharacteristics endpoint = head.Characteristics;
        TransferToken token = next.Token;
        if (!endpoint.ToggleFromDescriptor)
            token = token with { DataToggle = head.Overlay.Token.DataToggle };
        if (endpoint.Speed == EndpointSpeed.High)
            token = token with { Ping = head.Overlay.Token.Ping };
        run.Head = head with
        {
            Current = new TransferLink { Address = link.Address },
            Overlay = next with
            {
                AlternateNext = next.AlternateNext with { NakCounter = endpoint.NakReload },
                Token = token,
                Page1 = next.Page1 with { CompleteSplitProgress = 0 },
                Page2 = next.Page2 with { FrameTag = 0 },
            },
        };
        run.IsDirty = true;
        return VisitOutcome.Transacted;
    }

    private bool WriteBack(uint address, in QueueHead head)
    {
        int size = memory.Is64Bit ? QueueHead.Size64 : QueueHead.Size32;
        ReadOnlySpan<byte> whole = MemoryMarshal.AsBytes(new ReadOnlySpan<QueueHead>(in head));
        return memory.TryWrite(address + QueueHead.CurrentOffset, whole[QueueHead.CurrentOffset..size]);
    }
}
