using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A command or transfer ring as software keeps it: one segment, and a link back to its start.</summary>
internal sealed class XhciTestRing
{
    private readonly XhciBench _bench;
    private readonly int _count;
    private int _index;
    private bool _cycle = true;

    public XhciTestRing(XhciBench bench, int count = 64)
    {
        (_bench, _count) = (bench, count);
        Start = bench.Take(count * Trb.Size, 0x1000);
        for (int index = 0; index < count; index++)
            bench.Write(Start + (ulong)(index * Trb.Size), default(Trb));
    }

    public ulong Start { get; }

    /// <summary>Where the next TRB goes, and the cycle bit that it gets.</summary>
    public (ulong Address, bool Cycle) Enqueue => (At(_index), _cycle);

    public ulong At(int index) => Start + (ulong)(index * Trb.Size);

    /// <summary>Puts a TRB onto the ring; the link at the end is chained where the TRB before it is.</summary>
    /// <returns>Where it is.</returns>
    public ulong Add(Trb trb)
    {
        ulong at = At(_index);
        _bench.Write(at, trb with { Cycle = _cycle });
        if (++_index == _count - 1)
        {
            LinkTrb link = new() { Type = TrbType.Link, Segment = Start, ToggleCycle = true, Chain = new NormalTrb(trb.Raw).Chain, Cycle = _cycle };
            _bench.Write(At(_index), link);
            (_index, _cycle) = (0, !_cycle);
        }

        return at;
    }
}
