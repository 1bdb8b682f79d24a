using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The asynchronous list of a VM, as the VMM saw it last.</summary>
/// <param name="guest">The VM.</param>
internal sealed class GuestRing(CopiedGuest guest)
{
    /// <summary>The most queue heads that a ring may have; one that has more, or no end, is an error of the host system to its VM.</summary>
    public const int QueuesMax = 256;

    private readonly Dictionary<uint, QueueCopy> _known = [];
    private readonly List<QueueCopy> _left = [];
    private readonly List<QueueHead> _heads = [];
    private List<QueueCopy> _ring = [];
    private List<QueueCopy> _before = [];
    private uint _look;

    /// <summary>Its queues, in the order of the guest.</summary>
    public IReadOnlyList<QueueCopy> Queues => _ring;

    /// <summary>Whether something waits that could not be copied.</summary>
    public bool HasHeld => _ring.Exists(static queue => queue.HasHeld);

    /// <summary>Looks at the list.</summary>
    /// <param name="leaving">Who takes the queues that left it.</param>
    /// <returns>Whether it has other queues now, or another order.</returns>
    public bool Look(AsyncMerge leaving)
    {
        (_ring, _before) = (_before, _ring);
        _ring.Clear();
        _heads.Clear();
        _look++;
        if (guest.Virtual.WantsAsync && !TryWalk(guest.Virtual.AsyncListAddress))
            guest.Virtual.Die();
        if (!guest.Virtual.WantsAsync)
            _ring.Clear();
        for (int index = 0; index < _ring.Count; index++)
        {
            _ = _ring[index].Discover(_heads[index]);
            if (_ring[index].IsBroken)
                guest.Virtual.Die();
        }

        if (guest.Virtual.IsDead)
            _ring.Clear();
        Leave(leaving);
        return !_ring.SequenceEqual(_before);
    }

    /// <summary>Writes back what the controller has ended.</summary>
    public void Complete()
    {
        foreach (QueueCopy queue in _ring)
            queue.Complete();
    }

    /// <summary>Puts the addresses into the copies that devices have now.</summary>
    public void WriteEndpoints()
    {
        foreach (QueueCopy queue in _known.Values)
            queue.WriteEndpoint();
    }

    // Round the ring until a queue comes again. What comes before that one is not on the ring: the controller has gone on from there.
    private bool TryWalk(uint first)
    {
        int size = guest.Virtual.Is64Bit ? QueueHead.Size64 : QueueHead.Size32;
        for (uint at = first; _ring.Count < QueuesMax;)
        {
            guest.Statistics.NodesVisited++;
            guest.Visited(at);
            if (!guest.Space.TryRead(guest.At(at), size, out QueueHead head))
                return false;
            if (!_known.TryGetValue(at, out QueueCopy? queue))
            {
                if (!guest.Pool.TryTake(out uint slot))
                    return false;
                queue = new(guest, at, slot, head, isPeriodic: false);
                _known.Add(at, queue);
            }
            else if (queue.Look == _look)
            {
                CutBefore(queue);
                return true;
            }

            queue.Look = _look;
            _ring.Add(queue);
            _heads.Add(head);
            at = head.Horizontal.Address;
        }

        return false;
    }

    private void CutBefore(QueueCopy queue)
    {
        int index = _ring.IndexOf(queue);
        if (index == 0)
            return;
        for (int before = 0; before < index; before++)
            _ring[before].Look = _look - 1;
        _ring.RemoveRange(0, index);
        _heads.RemoveRange(0, index);
        guest.Virtual.AsyncListAddress = queue.GuestAddress;
    }

    private void Leave(AsyncMerge leaving)
    {
        foreach (QueueCopy queue in _known.Values)
        {
            if (queue.Look != _look || _ring.Count == 0)
                _left.Add(queue);
        }

        foreach (QueueCopy queue in _left)
        {
            _ = _known.Remove(queue.GuestAddress);
            leaving.Leave(queue);
        }

        _left.Clear();
    }
}
