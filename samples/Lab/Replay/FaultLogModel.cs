namespace Dma.Lab;

/// <summary>What the manual says about the fault status and a single fault record (VT-d, 6.5 and 6.6 of the reference).</summary>
/// <remarks>
/// It is told the faults that the unit detected and all that software writes, and says what must be in the registers.
/// Written again from the manual, so that the unit under test cannot vouch for itself.
/// </remarks>
/// <param name="withdrawsLate">Whether an event is taken back only when the status is written, as by the recorder.</param>
internal sealed class FaultLogModel(bool withdrawsLate = false)
{
    private const ulong FaultBit = 1ul << 63;
    private const ulong Overflow = 1;
    private const ulong Pending = 2;
    private const ulong QueueError = 0x10;
    private const ulong Clearable = 0x71;

    /// <summary>The fault event.</summary>
    public EventModel Event { get; } = new();

    /// <summary>FSTS.</summary>
    public ulong Status { get; private set; }

    /// <summary>The low half of the record.</summary>
    public ulong Low { get; private set; }

    /// <summary>The high half of the record.</summary>
    public ulong High { get; private set; }

    /// <summary>A fault that no entry suppresses.</summary>
    public void Report(RecordedFault fault)
    {
        bool holds = (High & FaultBit) != 0;
        if ((Status & Overflow) != 0 || (holds && (ushort)High == fault.Source.Value))
            return;
        if (holds)
        {
            Status |= Overflow;
            return;
        }

        ulong before = Status;
        Low = fault.Page;
        High = FaultBit | (fault.Write ? 0 : 1ul << 62) | ((ulong)fault.Reason << 32) | fault.Source.Value;
        Status |= Pending;
        if (before == 0)
            Event.Raise();
    }

    /// <summary>The invalidation queue stopped.</summary>
    public void QueueStopped()
    {
        ulong before = Status;
        Status |= QueueError;
        if (before == 0)
            Event.Raise();
    }

    /// <summary>FSTS is written.</summary>
    public void WriteStatus(ulong value)
    {
        Status &= ~(value & Clearable);
        Serviced();
    }

    /// <summary>The high half of the record is written.</summary>
    public void WriteHigh(ulong value)
    {
        if ((value & High & FaultBit) == 0)
            return;
        High &= ~FaultBit;
        Status &= ~Pending;
        if (!withdrawsLate)
            Serviced();
    }

    private void Serviced()
    {
        if (Status == 0)
            Event.Withdraw();
    }
}
