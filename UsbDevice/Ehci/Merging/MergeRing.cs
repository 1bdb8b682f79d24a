using System.Numerics;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The asynchronous list that the controller finds: behind one head the rings of all VMs, one after the other.</summary>
/// <remarks>
/// <code>
///   head (H) --> VM 2: a -> b (its head) --> VM 0: c (its head) --> head
/// </code>
/// Nothing of it is in memory. The head is the engine's; each round begins with another VM. From a VM come the queues from where its
/// ring goes on up to its own head, whose mark the controller does not see. A ring without head, or without end, is left after some queues,
/// and goes on in the next round.
/// </remarks>
/// <param name="slots">All slots.</param>
/// <param name="hidesHeads">Whether heads of VMs are hidden.</param>
internal sealed class MergeRing(MergeSlot[] slots, bool hidesHeads)
{
    // What a VM has in a round, whatever it links together.
    private const int QueuesMax = 64;
    private const int None = -1;

    private ulong _running;
    private int _first = None;
    private int _visits;
    private bool _turn;

    // The one whose queue is at hand, and the one whose comes next.
    private int _at = None;
    private int _next = None;

    /// <summary>Where the queue at hand is.</summary>
    public uint Address { get; private set; }

    /// <summary>The slot whose queue is at hand; null for none.</summary>
    public MergeSlot? Current => _at == None ? null : slots[_at];

    /// <summary>A slot runs its list, or does not any more: nothing of it is held then.</summary>
    public void Follow(MergeSlot slot)
    {
        ulong bit = 1ul << slot.Number;
        _running = slot.RunsAsync ? _running | bit : _running & ~bit;
        if (!slot.RunsAsync && _at == slot.Number)
            _at = None;
    }

    /// <summary>A round begins: the head is fetched.</summary>
    public QueueHead FetchHead()
    {
        _at = None;
        _visits = 0;
        _first = _running == 0 ? None : From(_first + 1);
        _next = _first;
        return Empty(isHead: true);
    }

    /// <summary>A queue is fetched.</summary>
    /// <param name="turn">By which link: that of the queue at hand, or the one behind it.</param>
    /// <param name="size">How many bytes of it there are.</param>
    /// <param name="head">The queue, with a link that is the engine's.</param>
    /// <returns><c>false</c> where no VM has one any more; it is one of nobody then.</returns>
    public bool TryFetch(bool turn, int size, out QueueHead head)
    {
        bool isAgain = turn == _turn && _at != None;
        if (!isAgain)
            Step();
        _turn = turn;
        while (_at != None)
        {
            MergeSlot slot = slots[_at];
            int at = _at;
            if (!isAgain)
                Address = slot.Ring;
            if (slot.TryRead(Address, size, out head))
            {
                head = Continue(slot, head, isAgain);
                return true;
            }

            isAgain = false;
            _at = Behind(at);
            _visits = 0;
        }

        _next = None;
        head = Empty(isHead: false);
        return false;
    }

    // Whoever does not run any more is passed over.
    private void Step()
    {
        if (_next != _at)
            _visits = 0;
        _at = _next == None || (_running >> _next & 1) != 0 ? _next : Behind(_next);
    }

    private QueueHead Continue(MergeSlot slot, in QueueHead head, bool isAgain)
    {
        bool isHead = head.Characteristics.ReclamationHead;
        slot.Ring = head.Horizontal.Address;
        _visits += isAgain ? 0 : 1;
        if (isHead && !isAgain)
            slot.SightHead();
        _next = isHead || _visits >= QueuesMax ? Behind(slot.Number) : slot.Number;
        return head with
        {
            Horizontal = Link(),
            Characteristics = head.Characteristics with { ReclamationHead = isHead && !hidesHeads },
        };
    }

    private LinkPointer Link() => _next == None ? new() { Type = LinkType.QueueHead, Address = MergeLinks.Head } : MergeLinks.Async(!_turn);

    // A queue that nobody has work in.
    private QueueHead Empty(bool isHead) => new()
    {
        Horizontal = Link(),
        Characteristics = new() { ReclamationHead = isHead, Speed = EndpointSpeed.High, MaxPacketSize = 64 },
        Capabilities = new() { Multiplier = 1 },
        Overlay = new() { Next = new() { Terminate = true }, AlternateNext = new() { Terminate = true }, Token = new() { Halted = true } },
    };

    // The running slot behind one, in the order of the round; none behind the last.
    private int Behind(int slot)
    {
        if (_first == None)
            return None;
        ulong above = slot >= 63 ? 0 : _running & (ulong.MaxValue << (slot + 1));
        if (slot < _first)
            return Lowest(above & ((1ul << _first) - 1));
        return above != 0 ? BitOperations.TrailingZeroCount(above) : Lowest(_running & ((1ul << _first) - 1));
    }

    private static int Lowest(ulong mask) => mask == 0 ? None : BitOperations.TrailingZeroCount(mask);

    private int From(int slot)
    {
        ulong above = slot >= 64 ? 0 : _running & (ulong.MaxValue << slot);
        return BitOperations.TrailingZeroCount(above != 0 ? above : _running);
    }
}
