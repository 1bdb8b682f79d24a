using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The asynchronous schedule: a ring of queue heads, gone round while there is time (EHCI, asynchronous schedule).</summary>
internal sealed class AsyncSchedule(EhciRegisters registers, ScheduleMemory memory, EhciWire wire, QueueExecutor executor, IScheduleEvents events)
{
    private const int SightingsForDoorbell = 2;

    private NakReload _nakReload;
    private int _sightings;

    // When NAK counters are filled up again: on the first round after a start event, from head to head.
    private enum NakReload
    {
        WaitForStartEvent,
        WaitForHead,
        Reload,
    }

    /// <summary>Forgets everything.</summary>
    public void Reset()
    {
        _nakReload = NakReload.WaitForStartEvent;
        _sightings = 0;
    }

    /// <summary>Software asked to be told when nothing unlinked is held any more.</summary>
    public void Ring() => _sightings = 0;

    /// <summary>The start event: the time of this microframe that belongs to the schedule begins.</summary>
    public void Start()
    {
        registers.UsbStatus = registers.UsbStatus with { Reclamation = true };
        if (_nakReload == NakReload.WaitForStartEvent)
            _nakReload = NakReload.WaitForHead;
    }

    /// <summary>Visits the next queue head.</summary>
    /// <param name="budgetNs">Nanoseconds that are left of the microframe.</param>
    public QueueVisit Step(uint budgetNs)
    {
        uint address = (uint)registers.File[EhciRegisters.AsyncListAddress];
        int size = memory.Is64Bit ? QueueHead.Size64 : QueueHead.Size32;
        if (!memory.TryRead(address, size, out QueueHead head))
            return new(VisitOutcome.Fault);
        if (head.Characteristics.ReclamationHead && !PassHead())
            return new(VisitOutcome.End);

        bool reloads = _nakReload == NakReload.Reload
            && head.Overlay.AlternateNext.NakCounter != head.Characteristics.NakReload;
        if (reloads)
        {
            TransferLink alternate = head.Overlay.AlternateNext with { NakCounter = head.Characteristics.NakReload };
            head = head with { Overlay = head.Overlay with { AlternateNext = alternate } };
        }

        QueueVisit visit = executor.Visit(address, ref head, new(budgetNs, IsDirty: reloads, TransactionsMax: TransactionsInVisit(head)));
        if (visit.Outcome == VisitOutcome.Transacted)
            registers.UsbStatus = registers.UsbStatus with { Reclamation = true };

        // The ring has no end: T means nothing here. A queue head that waits for time is visited again.
        if (visit.Outcome is VisitOutcome.Transacted or VisitOutcome.Skipped)
            registers.File[EhciRegisters.AsyncListAddress] = head.Horizontal.Address;
        return visit;
    }

    // At the head: the round before ran a transaction, or the list is empty for now.
    private bool PassHead()
    {
        AnswerDoorbell();
        UsbStatus status = registers.UsbStatus;
        if (!status.Reclamation)
            return false;
        registers.UsbStatus = status with { Reclamation = false };
        _nakReload = _nakReload switch
        {
            NakReload.WaitForHead => NakReload.Reload,
            _ => NakReload.WaitForStartEvent,
        };
        return true;
    }

    // Between two sightings of the head lies a whole round over what is linked now: nothing older is held.
    private void AnswerDoorbell()
    {
        if (!registers.UsbCommand.AsyncAdvanceDoorbell)
            return;
        if (++_sightings == 1)
            wire.BeginRound();
        if (_sightings < SightingsForDoorbell || !wire.TryLetGo(isAll: false))
            return;
        registers.UsbCommand = registers.UsbCommand with { AsyncAdvanceDoorbell = false };
        events.Post(StatusBits.AsyncAdvance);
    }

    // Park mode: more transactions in a row from a high-speed queue head.
    private int TransactionsInVisit(in QueueHead head)
    {
        UsbCommand command = registers.UsbCommand;
        return command.ParkEnable && head.Characteristics.Speed == EndpointSpeed.High ? 1 + command.ParkCount : 1;
    }
}
