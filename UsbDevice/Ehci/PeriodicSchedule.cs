using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The periodic schedule: a list for each frame, walked once in each of its microframes (EHCI, periodic schedule).</summary>
internal sealed class PeriodicSchedule(EhciRegisters registers, ScheduleMemory memory, QueueExecutor executor)
{
    private LinkPointer _next;
    private uint _microframe;

    /// <summary>Reads the element of the frame list that belongs to a frame index.</summary>
    /// <returns><c>false</c> where the bus failed.</returns>
    public bool Start(uint frameIndex)
    {
        // The element is chosen by FRINDEX bits 12:3, or fewer of them for shorter lists; the last three bits are the microframe.
        uint elements = 1u << (registers.RolloverBit - 3);
        uint element = (frameIndex >> 3) & (elements - 1);
        _microframe = frameIndex & 7;
        return memory.TryRead((uint)registers.File[EhciRegisters.PeriodicListBase] + (4 * element), 4, out _next);
    }

    /// <summary>Visits the next structure.</summary>
    /// <param name="budgetNs">Nanoseconds that are left of the microframe.</param>
    public QueueVisit Step(uint budgetNs)
    {
        if (_next.Terminate)
            return new(VisitOutcome.End);
        return _next.Type == LinkType.QueueHead ? VisitQueueHead(budgetNs) : Skip();
    }

    private QueueVisit VisitQueueHead(uint budgetNs)
    {
        uint address = _next.Address;
        int size = memory.Is64Bit ? QueueHead.Size64 : QueueHead.Size32;
        if (!memory.TryRead(address, size, out QueueHead head))
            return new(VisitOutcome.Fault);
        _next = head.Horizontal;
        bool isDue = ((head.Capabilities.StartMask >> (int)_microframe) & 1) != 0;
        if (!isDue)
            return new(VisitOutcome.Skipped);
        QueueVisit visit = executor.Visit(
            address, ref head, isPeriodic: true, isDirty: false, Math.Max(head.Capabilities.Multiplier, 1), budgetNs);

        // What does not fit any more waits for its next turn; others behind it may still fit.
        return visit.Outcome == VisitOutcome.NoTime ? new(VisitOutcome.Skipped) : visit;
    }

    // Every structure begins with the link to the next.
    private QueueVisit Skip() =>
        memory.TryRead(_next.Address, 4, out _next) ? new(VisitOutcome.Skipped) : new(VisitOutcome.Fault);
}
