using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>Reads faults out of the recording registers of a unit, in the order in which they happened.</summary>
/// <param name="window">The registers.</param>
/// <param name="unit">What the unit can do.</param>
internal sealed class FaultDrain(RegisterWindow window, UnitCapabilities unit)
{
    /// <summary>How often faults were lost because no record was free; how many each time is not known.</summary>
    public ulong Overflows { get; private set; }

    /// <summary>How often the unit said that a device completed an invalidation which nobody had asked it for.</summary>
    public ulong UnexpectedCompletions { get; private set; }

    /// <summary>Lets fault events raise a vector of a processor.</summary>
    public void EnableEvent(MessageInterrupt message)
    {
        window.Write32(RegisterOffsets.FaultEventData, message.Data);
        window.Write32(RegisterOffsets.FaultEventAddress, (uint)message.Address);
        if (unit.Extended.ExtendedInterruptMode)
            window.Write32(RegisterOffsets.FaultEventUpperAddress, (uint)(message.Address >> 32));
        window.Write32(RegisterOffsets.FaultEventControl, 0);
    }

    /// <summary>Holds fault events back.</summary>
    public void DisableEvent() =>
        window.Write32(RegisterOffsets.FaultEventControl, (uint)new EventControl { Mask = true }.Raw.Value);

    /// <summary>Reads and clears all recorded faults, then the overflow.</summary>
    public void Drain(ICollection<FaultReport> reports)
    {
        FaultStatus status = new(new(window.Read32(RegisterOffsets.FaultStatus)));
        if (status.PrimaryPendingFault)
        {
            // From the first one on, record by record, until one is free; never more often than there are records.
            int index = status.FaultRecordIndex % unit.FaultRecords;
            for (int count = 0; count < unit.FaultRecords; count++)
            {
                int offset = RegisterOffsets.FaultRecord(unit.Capability, index);
                FaultRecord record = new(new(window.Read64(offset), window.Read64(offset + 8)));
                if (!record.Fault)
                    break;
                reports.Add(FaultReport.Of(record));
                window.Write32(offset + 12, (uint)(new FaultRecord { Fault = true }.Raw.Word1 >> 32));
                index = (index + 1) % unit.FaultRecords;
            }
        }

        // While it is set, no new fault raises an event: a device could silence the reports about itself.
        if (status.InvalidationCompletionError)
        {
            UnexpectedCompletions++;
            window.Write32(RegisterOffsets.FaultStatus, (uint)new FaultStatus { InvalidationCompletionError = true }.Raw.Value);
        }

        // The overflow last: while it is set, no fault is recorded, and none could slip in between.
        if (!status.PrimaryFaultOverflow)
            return;
        Overflows++;
        window.Write32(RegisterOffsets.FaultStatus, (uint)new FaultStatus { PrimaryFaultOverflow = true }.Raw.Value);
    }
}
