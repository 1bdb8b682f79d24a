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
/// FSTNs are stepped over.
/// </remarks>
/// <param name="slots">All slots.</param>
internal sealed class MergeFrame(MergeSlot[] slots)
{
    // The most structures that a VM may have in the list of a frame.
    private const int StepsMax = 256;

    private static readonly LinkPointer s_end = new() { Terminate = true };

    private ulong _running;
    private ulong _order;
    private ulong _toCome;
    private int _first;
    private uint _element;
    private bool _isBehind;
    private bool _turn;
    private MergeSlot? _next;
    private LinkPointer _nextLink = s_end;

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
    /// <returns>The first link.</returns>
    public LinkPointer Begin(uint element)
    {
        (_element, _isBehind, Current) = (element, false, null);
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

        (Current, Link) = (_next, _nextLink);
        bool isThere = Current is { RunsPeriodic: true } && Current.TryRead(Link.Address, bytes);
        LinkPointer behind = isThere ? MemoryMarshal.Read<LinkPointer>(bytes) : s_end;
        if (Current is { } slot && isThere && Enter(slot, behind))
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
            if (slot.Steps++ == StepsMax)
            {
                slot.Fail();
                link = s_end;
                break;
            }

            if (link.Type != LinkType.FrameSpan)
                break;
            if (!slot.TryRead(link.Address, sizeof(uint), out link))
                link = s_end;
        }

        slot.Rest = link;
        return !link.Terminate && (_isBehind || link.Type is LinkType.IsochronousTransfer or LinkType.SplitIsochronousTransfer);
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
        uint elements = 1024u >> (int)Math.Min((uint)slot.FrameListSize, 2);
        uint at = slot.Frames + (sizeof(uint) * ((_element + slot.Shift) & (elements - 1)));
        return slot.TryRead(at, sizeof(uint), out LinkPointer link) ? link : s_end;
    }

    private LinkPointer Next()
    {
        _turn = !_turn;
        return _next is null ? s_end : MergeLinks.Periodic(_turn, _nextLink.Type);
    }
}
