using System.Runtime.InteropServices;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The periodic list of a VM, as the VMM saw it last: which interrupt queues stand in which frames.</summary>
/// <remarks>A list of fewer elements comes again and again in that of the controller. FSTNs are passed over by their normal path.</remarks>
/// <param name="guest">The VM.</param>
internal sealed class GuestFrames(CopiedGuest guest)
{
    /// <summary>The most structures that a frame may have; a list that has more, or no end, is an error of the host system to its VM.</summary>
    public const int NodesMax = 512;

    /// <summary>The most interrupt queues that a VM may have.</summary>
    public const int QueuesMax = 128;

    private readonly uint[] _elements = new uint[PeriodicStand.Frames];
    private readonly Dictionary<uint, Node> _nodes = [];
    private readonly Dictionary<uint, QueueCopy> _known = [];
    private readonly List<QueueCopy> _queues = [];
    private readonly List<QueueCopy> _left = [];
    private readonly List<uint> _path = [];
    private bool _isChanged;
    private uint _look;

    /// <summary>Its interrupt queues.</summary>
    public IReadOnlyList<QueueCopy> Queues => _queues;

    /// <summary>Whether something waits that could not be copied.</summary>
    public bool HasHeld => _queues.Exists(static queue => queue.HasHeld);

    /// <summary>Looks at the list.</summary>
    /// <param name="leaving">Who takes the queues that left it.</param>
    /// <param name="nowNs">The time.</param>
    /// <returns>Whether it has other queues now, or queues in other frames.</returns>
    public bool Look(PeriodicMerge leaving, ulong nowNs)
    {
        _look++;
        _isChanged = false;
        _nodes.Clear();
        if (guest.Virtual.WantsPeriodic && !(TryWalkAll() && TryTakeQueues()))
            guest.Virtual.Die();
        bool isOn = guest.Virtual.WantsPeriodic;
        foreach (QueueCopy queue in _queues)
        {
            if (!isOn || queue.Look != _look)
                _left.Add(queue);
        }

        foreach (QueueCopy queue in _left)
        {
            _isChanged = true;
            _ = _queues.Remove(queue);
            _ = _known.Remove(queue.GuestAddress);
            leaving.Leave(queue, nowNs);
        }

        _left.Clear();
        return _isChanged;
    }

    /// <summary>Writes back what the controller has ended.</summary>
    public void Complete()
    {
        foreach (QueueCopy queue in _queues)
            queue.Complete();
    }

    /// <summary>Puts the addresses into the copies that devices have now.</summary>
    public void WriteEndpoints()
    {
        foreach (QueueCopy queue in _known.Values)
            queue.WriteEndpoint();
    }

    /// <summary>Where a structure of a frame comes.</summary>
    /// <param name="frame">The frame of the guest.</param>
    public LinkPointer First(int frame) => new(new(_elements[frame]));

    private bool TryWalkAll()
    {
        int count = guest.Virtual.FrameListLength;
        Span<uint> elements = _elements.AsSpan(0, count);
        guest.Statistics.NodesVisited++;
        guest.Visited((uint)guest.Virtual.FrameList);
        if (!guest.Space.TryRead(guest.Virtual.FrameList, MemoryMarshal.AsBytes(elements)))
            return false;
        int shift = guest.FrameShift;
        int period = guest.Options.Skips(MergeSteps.Repetition) ? PeriodicStand.Frames : count;
        for (int frame = 0; frame < count; frame++)
        {
            if (!First(frame).Terminate && !TryWalk(First(frame), new(period, (frame - shift) & (count - 1), 0)))
                return false;
        }

        return true;
    }

    // Along the list of a frame, as long as a structure did not know of the frame.
    private bool TryWalk(LinkPointer at, PeriodicStand stand)
    {
        _path.Clear();
        int depth = 0;
        while (!at.Terminate)
        {
            if (!TryVisit(at, out Node node) || _path.Count == NodesMax)
                return false;
            PeriodicStand wider = node.Stand.With(stand);
            if (node.Stand.Period != 0 && wider.Period == node.Stand.Period)
            {
                // One that is on the way here already: the list runs in a circle.
                if (_path.Contains(at.Address))
                    return false;
                depth = node.Depth + 1;
                break;
            }

            // Known from other frames, and now from these: it may be on the way here all the same.
            if (_path.Contains(at.Address))
                return false;
            _nodes[at.Address] = node with { Stand = wider };
            _path.Add(at.Address);
            at = node.Next;
        }

        for (int index = _path.Count - 1; index >= 0; index--, depth++)
            _nodes[_path[index]] = _nodes[_path[index]] with { Depth = depth };
        return true;
    }

    private bool TryVisit(LinkPointer at, out Node node)
    {
        if (_nodes.TryGetValue(at.Address, out node))
            return true;
        guest.Statistics.NodesVisited++;
        guest.Visited(at.Address);
        int size = at.Type == LinkType.QueueHead ? guest.Virtual.Is64Bit ? QueueHead.Size64 : QueueHead.Size32 : sizeof(uint);
        if (!guest.Space.TryRead(guest.At(at.Address), size, out QueueHead head))
            return false;
        node = new(at.Type, head.Horizontal, head, default, 0);
        _nodes.Add(at.Address, node);
        return true;
    }

    private bool TryTakeQueues()
    {
        foreach ((uint address, Node node) in _nodes)
        {
            if (node.Type != LinkType.QueueHead)
                continue;
            if (!_known.TryGetValue(address, out QueueCopy? queue))
            {
                if (_queues.Count == QueuesMax || !guest.Pool.TryTake(out uint slot))
                    return false;
                queue = new(guest, address, slot, node.Head, isPeriodic: true);
                _known.Add(address, queue);
                _queues.Add(queue);
            }

            queue.Look = _look;
            PeriodicStand stand = node.Stand with { Depth = node.Depth };
            _isChanged |= queue.Stand != stand;
            queue.Stand = stand;
            _isChanged |= queue.Discover(node.Head);
            if (queue.IsBroken)
                return false;
        }

        return true;
    }

    private readonly record struct Node(LinkType Type, LinkPointer Next, QueueHead Head, PeriodicStand Stand, int Depth);
}
