using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The periodic schedule: a list for each frame, walked once in each of its microframes (EHCI, periodic schedule).</summary>
/// <remarks>
/// An FSTN leads from the list of a frame into that of the frame before, in its first two microframes, so that
/// interrupt splits which were started there late are completed. Where such a path ends, the walk goes on behind the
/// node at which it left.
/// </remarks>
internal sealed class PeriodicSchedule(EhciRegisters registers, ScheduleMemory memory, EhciWire wire, QueueExecutor executor, IScheduleEvents events)
{
    private const uint RecoveryMicroframes = 2;

    private readonly IsochronousExecutor _isochronous = new(memory, wire, events);
    private readonly SplitIsochronousExecutor _splitIsochronous = new(memory, wire, events);
    private LinkPointer _next;
    private LinkPointer _resumeAt;
    private uint _frameIndex;
    private bool _isRecovery;

    /// <summary>Whether the list of the current frame has nothing in it.</summary>
    public bool IsEmpty { get; private set; }

    /// <summary>Reads the element of the frame list that belongs to a frame index.</summary>
    /// <returns><c>false</c> where the bus failed.</returns>
    public bool Start(uint frameIndex)
    {
        // The element is chosen by FRINDEX bits 12:3, or fewer of them for shorter lists; the last three bits are the microframe.
        uint elements = 1u << (registers.RolloverBit - 3);
        uint element = (frameIndex >> 3) & (elements - 1);
        (_frameIndex, _isRecovery) = (frameIndex, false);
        if (!memory.TryRead((uint)registers.File[EhciRegisters.PeriodicListBase] + (4 * element), 4, out _next))
            return false;
        IsEmpty = _next.Terminate;
        return true;
    }

    /// <summary>Visits the next structure.</summary>
    /// <param name="budgetNs">Nanoseconds that are left of the microframe.</param>
    public QueueVisit Step(uint budgetNs)
    {
        if (_next.Terminate)
            return new(VisitOutcome.End);
        VisitContext context = new(budgetNs, _frameIndex, IsPeriodic: true, _isRecovery);
        QueueVisit visit = _next.Type switch
        {
            LinkType.QueueHead => VisitQueueHead(context),
            LinkType.FrameSpan => VisitFrameSpan(),
            _ when _isRecovery => Skip(),
            LinkType.IsochronousTransfer => VisitIsochronous(context),
            _ => VisitSplitIsochronous(context),
        };

        // What does not fit any more waits for its next turn; others behind it may still fit.
        return visit.Outcome == VisitOutcome.NoTime ? new(VisitOutcome.Skipped) : visit;
    }

    private QueueVisit VisitQueueHead(in VisitContext context)
    {
        uint address = _next.Address;
        int size = memory.Is64Bit ? QueueHead.Size64 : QueueHead.Size32;
        if (!memory.TryRead(address, size, out QueueHead head))
            return new(VisitOutcome.Fault);
        _next = head.Horizontal;
        return executor.Visit(address, ref head, context with { TransactionsMax = Math.Max(head.Capabilities.Multiplier, 1) });
    }

    private QueueVisit VisitIsochronous(in VisitContext context)
    {
        uint address = _next.Address;
        int size = memory.Is64Bit ? IsochronousTransferDescriptor.Size64 : IsochronousTransferDescriptor.Size32;
        if (!memory.TryRead(address, size, out IsochronousTransferDescriptor descriptor))
            return new(VisitOutcome.Fault);
        _next = descriptor.Next;
        return _isochronous.Visit(address, descriptor, context);
    }

    private QueueVisit VisitSplitIsochronous(in VisitContext context)
    {
        uint address = _next.Address;
        int size = memory.Is64Bit ? SplitIsochronousTransferDescriptor.Size64 : SplitIsochronousTransferDescriptor.Size32;
        if (!memory.TryRead(address, size, out SplitIsochronousTransferDescriptor descriptor))
            return new(VisitOutcome.Fault);
        _next = descriptor.Next;
        return _splitIsochronous.Visit(address, descriptor, context);
    }

    private QueueVisit VisitFrameSpan()
    {
        if (!memory.TryRead(_next.Address, FrameSpanNode.Size, out FrameSpanNode node))
            return new(VisitOutcome.Fault);
        bool isRestore = node.Back.Terminate;
        if (isRestore && _isRecovery)
            (_next, _isRecovery) = (_resumeAt, false);
        else if (!isRestore && !_isRecovery && (_frameIndex & 7) < RecoveryMicroframes)
            (_next, _resumeAt, _isRecovery) = (node.Back with { Type = LinkType.QueueHead }, node.Normal, true);
        else
            _next = node.Normal;
        return new(VisitOutcome.Skipped);
    }

    // Every structure begins with the link to the next.
    private QueueVisit Skip() =>
        memory.TryRead(_next.Address, 4, out _next) ? new(VisitOutcome.Skipped) : new(VisitOutcome.Fault);
}
