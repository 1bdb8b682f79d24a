using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>A ring that software fills: TRBs one behind the other, the last of them a link back to the first.</summary>
/// <remarks>
/// The cycle bit says whose a TRB is. Software writes it as its own cycle state, which flips at the link; what still has
/// the other value the controller does not touch. Of a descriptor of several TRBs the first turns valid last.
///
/// <code>
/// [0] .. [enqueue - 1] given to the controller    [enqueue] .. [254] free    [255] link to [0], flips the cycle
/// </code>
/// </remarks>
internal sealed class XhciRing
{
    /// <summary>TRBs that can be used at a time; a full ring would look like an empty one.</summary>
    public const int Capacity = Trbs - 2;

    private const int Trbs = 256;
    private const int Link = Trbs - 1;

    private readonly CoherentBuffer _buffer;
    private int _enqueue;

    private XhciRing(CoherentBuffer buffer) => _buffer = buffer;

    /// <summary>The memory that it lies in.</summary>
    public CoherentBuffer Buffer => _buffer;

    /// <summary>Where the next TRB will be.</summary>
    public ulong Next => AddressOf(_enqueue);

    /// <summary>The cycle bit of the next TRB.</summary>
    public bool Cycle { get; private set; } = true;

    /// <summary>An empty ring.</summary>
    /// <exception cref="DriverException">There is no memory for it.</exception>
    public static async ValueTask<XhciRing> Allocate(XhciMemory memory) => new(await memory.Allocate(Trbs * Trb.Size));

    /// <summary>Writes the TRBs of one descriptor.</summary>
    /// <param name="trbs">At least one, and no more than are free; their cycle bits are filled in.</param>
    /// <param name="places">Where each one is for the controller; as long as <paramref name="trbs"/>.</param>
    public void Push(ReadOnlySpan<Trb> trbs, Span<ulong> places)
    {
        (int first, bool firstCycle) = (_enqueue, Cycle);
        for (int index = 0; index < trbs.Length; index++)
        {
            places[index] = AddressOf(_enqueue);
            if (index != 0)
                Write(_enqueue, trbs[index] with { Cycle = Cycle });
            if (++_enqueue == Link)
                Wrap(isWithin: index + 1 < trbs.Length);
        }

        Write(first, trbs[0] with { Cycle = firstCycle });
    }

    /// <summary>Begins anew with an empty ring; the controller must be told.</summary>
    public void Clear()
    {
        _buffer.Memory.Write(0, new byte[Trbs * Trb.Size]);
        (_enqueue, Cycle) = (0, true);
    }

    private ulong AddressOf(int index) => _buffer.Address + (ulong)(index * Trb.Size);

    private void Wrap(bool isWithin)
    {
        LinkTrb link = new() { Type = TrbType.Link, Segment = _buffer.Address, ToggleCycle = true, Chain = isWithin, Cycle = Cycle };
        Write(Link, new(link.Raw));
        (_enqueue, Cycle) = (0, !Cycle);
    }

    // The doubleword with the cycle bit last: it hands the TRB over.
    private void Write(int index, Trb trb)
    {
        int offset = index * Trb.Size;
        _buffer.Write(offset, trb.Raw.Word0);
        _buffer.Write(offset + 8, (uint)trb.Raw.Word1);
        _buffer.Write(offset + 12, (uint)(trb.Raw.Word1 >> 32));
    }
}
