using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The event ring of one interrupter: segments that software gave, filled in order (xHCI, event ring management).</summary>
/// <remarks>
/// One place always stays empty, so that full and empty differ. The last but one takes a host controller event that says
/// the ring is full; what comes then is held until software has made room. Those who make events ask <see cref="IsFull"/> first,
/// so that what is held is bounded; more than that is lost.
/// </remarks>
internal sealed class EventRing(XhciMemory memory, XhciStatistics statistics, int segmentsMax)
{
    /// <summary>Events that are held at most: port changes, one for each port, and what a visit to an endpoint makes; those who look at <see cref="IsFull"/> stop there.</summary>
    public const int HeldMax = 256;

    private const int SegmentTrbsMin = 16;
    private const int SegmentTrbsMax = 4096;

    private readonly EventRingSegment[] _segments = new EventRingSegment[segmentsMax];
    private readonly Queue<Trb> _held = new(HeldMax);
    private int _count;
    private int _segment;
    private int _index;
    private bool _cycle;
    private ulong _dequeue;

    /// <summary>Whether events are held because there is no room.</summary>
    public bool IsFull { get; private set; }

    /// <summary>Whether the table or software's pointer made no sense: the controller cannot go on.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Whether there are events that software has not passed yet.</summary>
    public bool HasEvents => _count != 0 && Enqueue != _dequeue;

    private ulong Enqueue => _segments[_segment].Address + ((ulong)_index * Trb.Size);

    /// <summary>A reset: there is no ring.</summary>
    public void Reset()
    {
        (_count, _segment, _index, IsFull, IsBroken, _dequeue) = (0, 0, 0, false, false, 0);
        _held.Clear();
    }

    /// <summary>ERSTBA was written: the ring begins anew with the segments that are in the table now.</summary>
    /// <param name="table">Where the table is.</param>
    /// <param name="count">ERSTSZ; 0 for no ring.</param>
    public void Begin(ulong table, int count)
    {
        ulong dequeue = _dequeue;
        Reset();
        _dequeue = dequeue;
        _cycle = true;
        if (count > _segments.Length)
        {
            IsBroken = true;
            return;
        }

        for (int index = 0; index < count; index++)
        {
            if (!memory.TryRead(table + ((ulong)index * EventRingSegment.Size), out _segments[index]))
                return;
            IsBroken |= _segments[index].TrbCount is < SegmentTrbsMin or > SegmentTrbsMax;
        }

        _count = IsBroken ? 0 : count;
    }

    /// <summary>Where the next event goes, in one number: bits 31:0 the place, bits 47:32 the segment, bit 48 the cycle bit, bit 49 that events are held.</summary>
    public ulong Hidden => (uint)_index | ((ulong)(uint)_segment << 32) | (_cycle ? 1ul << 48 : 0) | (IsFull ? 1ul << 49 : 0);

    /// <summary>Events that are held, in order.</summary>
    public IReadOnlyCollection<Trb> Held => _held;

    /// <summary>The ring goes on where it was when its place was saved.</summary>
    /// <param name="hidden">Its <see cref="Hidden"/> of then.</param>
    /// <returns><c>false</c> where the segments have no such place; the ring stays as it is.</returns>
    public bool TryResume(ulong hidden)
    {
        (int segment, uint index) = ((int)(hidden >> 32 & 0xFFFF), (uint)hidden);
        if (_count == 0)
            return hidden << 16 == 0;
        if (segment >= _count || index >= (uint)_segments[segment].TrbCount)
            return false;
        (_segment, _index, _cycle, IsFull) = (segment, (int)index, (hidden & (1ul << 48)) != 0, (hidden & (1ul << 49)) != 0);
        return true;
    }

    /// <summary>An event was held when the place was saved.</summary>
    public void Hold(Trb trb)
    {
        if (_held.Count < HeldMax)
            _held.Enqueue(trb);
    }

    /// <summary>ERDP was written: software has come this far.</summary>
    /// <returns>Whether events that were held are in the ring now.</returns>
    public bool Advance(ulong dequeue)
    {
        _dequeue = dequeue;
        if (!IsFull || FreePlaces() < 2)
            return false;
        IsFull = false;
        bool any = _held.Count != 0;
        while (!IsFull && _held.TryDequeue(out Trb held))
            Put(held);
        return any;
    }

    /// <summary>An event.</summary>
    /// <returns>Whether there is a ring at all.</returns>
    public bool Add(Trb trb)
    {
        if (_count == 0 || IsBroken)
            return false;
        if (!IsFull)
            Put(trb);
        else if (_held.Count < HeldMax)
            _held.Enqueue(trb);
        else
            statistics.EventsLost++;
        return true;
    }

    private void Put(Trb trb)
    {
        // With two places left, the first of them says that there is no room.
        if (FreePlaces() < 2)
        {
            if (IsBroken)
                return;
            IsFull = true;
            HostControllerEvent full = new() { Type = TrbType.HostController, Code = CompletionCode.EventRingFull };
            if (FreePlaces() == 1)
                Write(new(full.Raw));
            HoldFirst(trb);
            return;
        }

        Write(trb);
    }

    // An event that was taken from the front of those held goes back there.
    private void HoldFirst(Trb trb)
    {
        int behind = _held.Count;
        _held.Enqueue(trb);
        for (int index = 0; index < behind; index++)
            _held.Enqueue(_held.Dequeue());
    }

    private void Write(Trb trb)
    {
        _ = memory.TryWrite(Enqueue, trb with { Cycle = _cycle });
        statistics.Events++;
        if (++_index < _segments[_segment].TrbCount)
            return;
        _index = 0;
        if (++_segment < _count)
            return;
        _segment = 0;
        _cycle = !_cycle;
    }

    // Places that may be written, at most 2 of them told apart: the one before software's pointer is never filled.
    private int FreePlaces()
    {
        if (!IsWithin(_dequeue))
        {
            IsBroken = true;
            return 0;
        }

        (int segment, int index) = (_segment, _index);
        for (int free = 0; free < 2; free++)
        {
            if (++index == _segments[segment].TrbCount)
                (segment, index) = ((segment + 1) % _count, 0);
            if (_segments[segment].Address + ((ulong)index * Trb.Size) == _dequeue)
                return free;
        }

        return 2;
    }

    private bool IsWithin(ulong pointer)
    {
        for (int index = 0; index < _count; index++)
        {
            if (pointer - _segments[index].Address < (ulong)_segments[index].TrbCount * Trb.Size)
                return true;
        }

        return false;
    }
}
