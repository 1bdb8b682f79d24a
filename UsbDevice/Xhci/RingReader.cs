using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Reads command and transfer rings (xHCI, TRB rings).</summary>
/// <remarks>
/// <code>
/// | TRB | TRB | TRB | Link |--->| TRB | TRB | Link |---> first segment, cycle toggled
///         ^ cursor
/// </code>
/// A TRB belongs to the controller while its cycle bit is that of the cursor. How many links are followed in a row is bounded:
/// a ring of nothing but links would never end.
/// </remarks>
internal sealed class RingReader(XhciMemory memory)
{
    private const int LinksMax = 8;

    /// <summary>Reads the TRB at a cursor, which moves over links.</summary>
    /// <param name="cursor">Where to read, and afterwards where the TRB is.</param>
    /// <param name="trb">The TRB.</param>
    /// <param name="link">A link with an interrupt on completion that was passed over; zeros for none.</param>
    public RingOutcome Read(ref RingCursor cursor, out Trb trb, out PassedLink link)
    {
        link = default;
        for (int links = 0; links <= LinksMax; links++)
        {
            if (!memory.TryRead(cursor.Address, out trb))
                return RingOutcome.Fault;
            if (trb.Cycle != cursor.Cycle)
                return RingOutcome.Empty;
            if (trb.Type != TrbType.Link)
                return RingOutcome.Ready;
            LinkTrb next = new(trb.Raw);
            if (next.InterruptOnCompletion)
                link = new(cursor.Address, next.Interrupter);
            cursor = new(next.Segment, cursor.Cycle ^ next.ToggleCycle);
        }

        trb = default;
        return RingOutcome.Endless;
    }
}

/// <summary>A link that software wants to be told of.</summary>
/// <param name="Address">Where it is; 0 where there was none.</param>
/// <param name="Interrupter">Whom to tell.</param>
internal readonly record struct PassedLink(ulong Address, int Interrupter);

/// <summary>What was found on a ring.</summary>
internal enum RingOutcome
{
    /// <summary>Nobody looked.</summary>
    None = 0,

    /// <summary>A TRB that belongs to the controller.</summary>
    Ready,

    /// <summary>Nothing that belongs to the controller.</summary>
    Empty,

    /// <summary>Links, and no end of them.</summary>
    Endless,

    /// <summary>The bus failed.</summary>
    Fault,
}
