using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The ring of page requests in memory that the unit fills and software empties (VT-d, page request queue).</summary>
/// <remarks>
/// <code>
///   PQA                PQH                     PQT              PQA + size
///    |                  |                       |                  |
///    v                  v                       v                  v
///    +------------------+-----------------------+------------------+
///    |      free        | software reads next   |  unit writes next|
///    +------------------+-----------------------+------------------+
/// </code>
/// One slot stays free, so that a full ring is not taken for an empty one. A request that finds no other slot sets PRO,
/// and until software clears it nothing is put in. Ends beyond the ring are taken modulo its size: what software points
/// them at is the ring and nothing else.
/// </remarks>
internal sealed class PageRequestQueue(RegisterFile registers, PhysicalMemory memory, EventMessage message)
{
    private const ulong SlotBytes = 32;

    private PageRequestStatus Status
    {
        get => new(new(registers[RegisterOffsets.PageRequestStatus]));
        set => registers[RegisterOffsets.PageRequestStatus] = value.Raw.Value;
    }

    /// <summary>Puts a request at the tail.</summary>
    public PageRequestDisposition Put(in PageRequestDescriptor descriptor)
    {
        // 1. After an overflow nothing is stored until software clears it.
        PageRequestStatus status = Status;
        if (status.Overflow)
            return PageRequestDisposition.Lost;

        // 2. A tail that would meet the head: overflow.
        PageRequestQueueAddress queue = new(new(registers[RegisterOffsets.PageRequestQueueAddress]));
        ulong inRing = (4096ul << queue.SizeCode) - 1;
        ulong tail = registers[RegisterOffsets.PageRequestQueueTail] & inRing;
        ulong next = (tail + SlotBytes) & inRing;
        if (next == (registers[RegisterOffsets.PageRequestQueueHead] & inRing))
        {
            Set(status with { Overflow = true });
            return PageRequestDisposition.Lost;
        }

        // 3. All of the descriptor is in memory before the tail says so.
        if (!memory.TryWrite(new PhysicalAddress(queue.Table.Value + tail), descriptor.Raw))
            return PageRequestDisposition.NotWritten;
        registers[RegisterOffsets.PageRequestQueueTail] = next;

        // 4. The first one since software last looked sets PPR.
        Set(status with { Pending = true });
        return PageRequestDisposition.Stored;
    }

    /// <summary>Software cleared status bits: when none is left, an event that was held back is no more.</summary>
    public void StatusWritten()
    {
        if (Status == default)
            message.Withdraw();
    }

    /// <summary>Software wrote the mask of the event.</summary>
    public void EventControlWritten() => message.SendIfAllowed();

    // A condition is new, and an event, only where neither bit was set before.
    private void Set(PageRequestStatus status)
    {
        bool isNew = Status == default;
        Status = status;
        if (isNew)
            message.Raise();
    }
}
