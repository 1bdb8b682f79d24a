using System.Numerics;
using System.Runtime.InteropServices;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The list of a frame that the controller finds: the isochronous structures of all VMs, then what comes behind them in the list of each.</summary>
/// <remarks>
/// <code>
///   element --> VM 1: iTD -> VM 2: iTD -> siTD ->   VM 1: QH every 32 -> QH every 1 ->   VM 2: QH every 4
/// </code>
/// It is made while it is walked, in each microframe anew. Each VM keeps its order, which is that of its rates; another one comes first in each frame.
/// A queue has one link, which is why software has to order the queues of all by rate; here nothing is shared between frames.
/// An FSTN that leads into the frame before stands where its VM has it, in the microframes in which a controller takes that way. The way back, along queues of that VM alone,
/// ends with a node that is the engine's, whatever the VM has there: so it cannot lead past the structures of others.
/// </remarks>
/// <param name="slots">All slots.</param>
/// <param name="repeatsFrames">Whether a list of fewer elements than 1024 comes again and again.</param>
internal sealed class MergeFrame(MergeSlot[] slots, bool repeatsFrames)
{
    // The most structures that a VM may have in the list of a frame.
    private const int StepsMax = 256;

    // In which an FSTN leads into the frame before (EHCI, periodic frame span traversal node).
    private const int SpanMicroframes = 2;

    private static readonly LinkPointer s_end = new() { Terminate = true };
    private static readonly LinkPointer s_spanEnd = new() { Type = LinkType.FrameSpan };

    private ulong _running;
    private ulong _order;
    private ulong _toCome;
    private int _first;
    private uint _element;
    private bool _isBehind;
    private bool _turn;
    private MergeSlot? _next;
    private LinkPointer _nextLink = s_end;
    private bool _hasSpans;

    // On the way into the frame before: what comes behind the node that it began at.
    private bool _isSpanned;
    private MergeSlot? _resume;
    private LinkPointer _resumeLink = s_end;

    /// <summary>By which link the next structure is fetched.</summary>
    public bool Turn => _turn;

    /// <summary>The slot whose structure is at hand; null for none.</summary>
    public MergeSlot? Current { get; private set; }

    /// <summary>What the structure at hand is, and where the VM has it.</summary>
    public LinkPointer Link { get; private set; }

    /// <summary>A slot runs its list, or does not any more: nothing of it is held then.</summary>
    public void Follow(MergeSlot slot)
    {
        ulong bit = 1ul << slot.Number;
        _running = slot.RunsPeriodic ? _running | bit : _running & ~bit;
        if (!slot.RunsPeriodic && Current == slot)
            Current = null;
    }

    /// <summary>An element of the frame list is fetched: the walk of a microframe begins.</summary>
    /// <param name="element">Which one.</param>
    /// <param name="microframe">Which microframe of the frame.</param>
    /// <returns>The first link.</returns>
    public LinkPointer Begin(uint element, int microframe)
    {
        (_element, _isBehind, Current) = (element, false, null);
        (_hasSpans, _isSpanned) = (microframe < SpanMicroframes, false);
        _first = (int)(element % (uint)slots.Length);
        (_order, _toCome) = (_running, _running);
        for (ulong left = _running; left != 0; left &= left - 1)
        {
            MergeSlot slot = slots[BitOperations.TrailingZeroCount(left)];
            (slot.Steps, slot.UsedNs, slot.Rest) = (0, 0, s_end);
        }

        Find();
        return Next();
    }

    /// <summary>A structure is fetched.</summary>
    /// <param name="turn">By which link.</param>
    /// <param name="bytes">Gets it, with a link that is the engine's.</param>
    /// <returns><c>false</c> where its VM has none there any more: it is one of nobody then.</returns>
    public bool TryFetch(bool turn, Span<byte> bytes)
    {
        if (turn != _turn)
        {
            Current = null;
            bytes.Clear();
            MemoryMarshal.Write(bytes, s_end);
            return false;
        }

        if (_nextLink.Type == LinkType.FrameSpan)
        {
            Current = null;
            bytes.Clear();
            MemoryMarshal.Write(bytes, _isSpanned ? EndSpan() : BeginSpan(_next!, _nextLink.Address));
            return false;
        }

        (Current, Link) = (_next, _nextLink);
        bool isThere = Current is { RunsPeriodic: true } && Current.TryRead(Link.Address, bytes);
        LinkPointer behind = isThere ? MemoryMarshal.Read<LinkPointer>(bytes) : s_end;
        if (_isSpanned)
            _nextLink = isThere ? Back(Current!, behind) : s_spanEnd;
        else if (Current is { } slot && isThere && Enter(slot, behind))
            (_next, _nextLink) = (slot, slot.Rest);
        else
            Find();

        // One whose list turned out to be without end is gone by now.
        isThere &= Current is not null;
        if (!isThere)
        {
            Current = null;
            bytes.Clear();
        }

        LinkPointer next = Next();
        MemoryMarshal.Write(bytes, next);
        return isThere;
    }

    // What is there is what the slot goes on with: in this part of the list, or kept for the second.
    private bool Enter(MergeSlot slot, LinkPointer link)
    {
        while (!link.Terminate)
        {
            if (slot.Steps++ >= StepsMax)
            {
                slot.Fail();
                link = s_end;
                break;
            }

            if (link.Type != LinkType.FrameSpan)
                break;
            if (!slot.TryRead(link.Address, FrameSpanNode.Size, out FrameSpanNode node))
                link = s_end;
            else if (_hasSpans && !node.Back.Terminate)
                break;
            else
                link = node.Normal;
        }

        slot.Rest = link;
        return !link.Terminate && (_isBehind || link.Type is LinkType.IsochronousTransfer or LinkType.SplitIsochronousTransfer);
    }

    // A node from which the controller goes into the frame before, and comes back to what is behind it.
    private FrameSpanNode BeginSpan(MergeSlot slot, uint address)
    {
        FrameSpanNode node = new(s_end, s_end);
        if (slot.RunsPeriodic && slot.TryRead(address, FrameSpanNode.Size, out FrameSpanNode found))
            node = found;
        if (slot.RunsPeriodic && Enter(slot, node.Normal))
            (_next, _nextLink) = (slot, slot.Rest);
        else
            Find();
        LinkPointer back = slot.RunsPeriodic && !node.Back.Terminate ? Back(slot, node.Back with { Type = LinkType.QueueHead }) : s_spanEnd;
        if (back.Type == LinkType.FrameSpan)
            return new(Next(), s_end);

        (_resume, _resumeLink, _isSpanned) = (_next, _nextLink, true);
        (_next, _nextLink) = (slot, back);
        return new(_resume is null ? s_end : MergeLinks.Resumed(_resumeLink.Type), Next());
    }

    // The node at which it comes back.
    private FrameSpanNode EndSpan()
    {
        (_next, _nextLink, _isSpanned) = (_resume, _resumeLink, false);
        return new(s_end, s_end);
    }

    // On the way back a controller looks at queues alone, up to a node that leads nowhere else.
    private static LinkPointer Back(MergeSlot slot, LinkPointer link)
    {
        while (!link.Terminate && slot.RunsPeriodic)
        {
            if (slot.Steps++ >= StepsMax)
                slot.Fail();
            else if (link.Type == LinkType.QueueHead)
                return link;
            else if (link.Type != LinkType.FrameSpan)
                _ = slot.TryRead(link.Address, sizeof(uint), out link);
            else if (!slot.TryRead(link.Address, FrameSpanNode.Size, out FrameSpanNode node) || node.Back.Terminate)
                break;
            else
                link = node.Normal;
        }

        return s_spanEnd;
    }

    // The next slot that has something in this part of the list, or in the second one.
    private void Find()
    {
        while (true)
        {
            while (_toCome != 0)
            {
                MergeSlot slot = Take();
                if (slot.RunsPeriodic && (_isBehind ? !slot.Rest.Terminate : Enter(slot, Element(slot))))
                {
                    (_next, _nextLink) = (slot, slot.Rest);
                    return;
                }
            }

            if (_isBehind)
                break;
            (_isBehind, _toCome) = (true, _order);
        }

        (_next, _nextLink) = (null, s_end);
    }

    private MergeSlot Take()
    {
        ulong above = _toCome & (ulong.MaxValue << _first);
        int number = BitOperations.TrailingZeroCount(above != 0 ? above : _toCome);
        _toCome &= ~(1ul << number);
        return slots[number];
    }

    private LinkPointer Element(MergeSlot slot)
    {
        uint elements = repeatsFrames ? 1024u >> (int)Math.Min((uint)slot.FrameListSize, 2) : 1024;
        uint at = slot.Frames + (sizeof(uint) * ((_element + slot.Shift) & (elements - 1)));
        return slot.TryRead(at, sizeof(uint), out LinkPointer link) ? link : s_end;
    }

    private LinkPointer Next()
    {
        _turn = !_turn;
        return _next is null ? s_end : MergeLinks.Periodic(_turn, _nextLink.Type);
    }
}
