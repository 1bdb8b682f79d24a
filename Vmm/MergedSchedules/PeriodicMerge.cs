using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The frame list of the controller: in each frame the isochronous descriptors of all VMs, then their interrupt queues, the rarest first.</summary>
/// <remarks>
/// <code>
/// [   0 ]  -> VM 1 iTD -> VM 0 iTD ->  VM 0 QH every 32 -> VM 1 QH every 4 -> VM 0 QH every 1
/// [   1 ]  --------------------------------------------------------------->  the same
/// </code>
/// A queue has one link and stands in many frames. That works for all VMs together as for each alone: behind a queue of some period
/// stand only queues of the same or shorter periods, and all frames that hold the first one hold the same of those.
/// Isochronous descriptors are copied for one frame each, shortly before it.
/// </remarks>
internal sealed class PeriodicMerge
{
    private const int Frames = PeriodicStand.Frames;

    private readonly CopyPool _pool;
    private readonly FrameMerge _frames;
    private readonly List<QueueCopy> _queues = [];
    private readonly List<(QueueCopy Queue, ulong FreeNs)> _leaving = [];
    private readonly uint[] _elements = new uint[Frames];
    private readonly ulong _lagNs;

    /// <summary>An empty list.</summary>
    /// <param name="pool">Where the list lies, on its reserved page.</param>
    /// <param name="capabilities">HCCPARAMS of the controller.</param>
    /// <param name="options">How schedules are merged.</param>
    public PeriodicMerge(CopyPool pool, CapabilityParameters capabilities, MergeOptions options)
    {
        _pool = pool;

        // A controller that reads ahead holds what it read for that long.
        _lagNs = WireTime.MicroframeNs * (capabilities.CachesWholeFrame ? 9ul : 2 + (uint)capabilities.IsochronousThreshold);
        _frames = new(this, options);
        for (int frame = 0; frame < Frames; frame++)
            WriteElement(frame, End);
    }

    /// <summary>What isochronous descriptors are copied for which frame.</summary>
    public FrameMerge Isochronous => _frames;

    /// <summary>What interrupt queues take of each microframe.</summary>
    public PeriodicBudget Budget { get; } = new(Frames);

    /// <summary>How long the controller may hold what was unlinked, in nanoseconds.</summary>
    public ulong LagNs => _lagNs;

    /// <summary>When the next queue that left is free; the end of time where none is.</summary>
    public ulong DueNs => _leaving.Count == 0 ? ulong.MaxValue : _leaving[0].FreeNs;

    /// <summary>Links the queues of all VMs anew. A queue points on before anything points at it.</summary>
    /// <param name="guests">The VMs.</param>
    public void Splice(IReadOnlyList<CopiedGuest> guests)
    {
        _queues.Clear();
        foreach (CopiedGuest guest in guests)
        {
            foreach (QueueCopy queue in guest.InterruptQueues)
            {
                if (guest.IsAdmitted(queue))
                    Insert(queue);
            }
        }

        for (int index = _queues.Count - 1; index >= 0; index--)
            _queues[index].Link(FirstAfter(index));
        for (int frame = 0; frame < Frames; frame++)
        {
            if (!_frames.Relink(frame))
                WriteElement(frame, FirstQueue(frame));
        }
    }

    /// <summary>A queue left the schedule; where it is linked yet, <see cref="Splice"/> has to follow at once.</summary>
    public void Leave(QueueCopy queue, ulong nowNs) => _leaving.Add((queue, nowNs + _lagNs));

    /// <summary>What left long enough ago is free.</summary>
    public void Retire(ulong nowNs)
    {
        int count = 0;
        for (; count < _leaving.Count && _leaving[count].FreeNs <= nowNs; count++)
            _leaving[count].Queue.Retire();
        _leaving.RemoveRange(0, count);
    }

    /// <summary>Whether something of a VM has left and is not free yet.</summary>
    public bool HoldsOf(CopiedGuest guest)
    {
        foreach ((QueueCopy queue, _) in _leaving)
        {
            if (queue.IsOf(guest))
                return true;
        }

        return false;
    }

    /// <summary>The first interrupt queue of a frame.</summary>
    public LinkPointer FirstQueue(int frame)
    {
        foreach (QueueCopy queue in _queues)
        {
            if (queue.Stand.IsIn(frame))
                return queue.Pointer;
        }

        return End;
    }

    /// <summary>Writes an element of the frame list.</summary>
    public void WriteElement(int frame, LinkPointer first)
    {
        if (_elements[frame] == first.Raw.Value)
            return;
        _elements[frame] = first.Raw.Value;
        _pool.Write(_pool.Start + (sizeof(uint) * (uint)frame), first);
    }

    private static LinkPointer End => new() { Terminate = true };

    // The rarest first; then one VM behind the other, each in its own order.
    private void Insert(QueueCopy queue)
    {
        int index = _queues.FindIndex(other => other.Stand.Period < queue.Stand.Period
            || (other.Stand.Period == queue.Stand.Period && other.IsOfSame(queue) && other.Stand.Depth < queue.Stand.Depth));
        _queues.Insert(index < 0 ? _queues.Count : index, queue);
    }

    private LinkPointer FirstAfter(int index)
    {
        for (int next = index + 1; next < _queues.Count; next++)
        {
            if (_queues[next].Stand.IsInAllOf(_queues[index].Stand))
                return _queues[next].Pointer;
        }

        return End;
    }
}
