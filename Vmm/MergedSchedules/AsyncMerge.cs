using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The asynchronous list of the controller: the rings of all VMs, spliced behind one head.</summary>
/// <remarks>
/// <code>
///   head (H) --> VM 2: a -> b --> VM 0: a -> b -> c --> VM 1: a --> head
/// </code>
/// The head is the VMM's and serves nobody; heads of guests are queue heads like others here. Which VM comes first changes with each
/// change of the ring. What left the ring is the controller's until a doorbell was answered that was rung after that.
/// </remarks>
/// <param name="pool">Where the head lies.</param>
internal sealed class AsyncMerge(CopyPool pool)
{
    private readonly List<QueueCopy> _leaving = [];
    private readonly List<ulong> _leavingBy = [];
    private uint _head;
    private ulong _rung;
    private ulong _answered;
    private int _first;

    /// <summary>Where the head lies.</summary>
    public uint Head => _head;

    /// <summary>The doorbell whose answer will mean that nothing is held any more of what has left by now.</summary>
    public ulong NextDoorbell => _rung + 1;

    /// <summary>The doorbell that was answered last.</summary>
    public ulong Answered => _answered;

    /// <summary>Whether the doorbell was rung and not answered.</summary>
    public bool IsRinging => _rung != _answered;

    /// <summary>Whether what left waits for a doorbell that was not rung yet.</summary>
    public bool WantsDoorbell => !IsRinging && _leavingBy.Count != 0 && _leavingBy[^1] > _rung;

    /// <summary>Makes a ring of the head alone.</summary>
    public void Start()
    {
        _ = pool.TryTake(out _head);
        pool.Write(_head, new QueueHead
        {
            Horizontal = new() { Type = LinkType.QueueHead, Address = _head },
            Characteristics = new() { ReclamationHead = true, Speed = EndpointSpeed.High, MaxPacketSize = 64 },
            Capabilities = new() { Multiplier = 1 },
            Overlay = new() { Next = new() { Terminate = true }, AlternateNext = new() { Terminate = true }, Token = new() { Halted = true } },
        });
    }

    /// <summary>Splices the rings anew. A queue points on before anything points at it.</summary>
    /// <param name="guests">The VMs.</param>
    public void Splice(IReadOnlyList<CopiedGuest> guests)
    {
        _first = guests.Count == 0 ? 0 : (_first + 1) % guests.Count;
        LinkPointer next = new() { Type = LinkType.QueueHead, Address = _head };
        for (int step = guests.Count - 1; step >= 0; step--)
        {
            IReadOnlyList<QueueCopy> ring = guests[(_first + step) % guests.Count].Ring;
            for (int index = ring.Count - 1; index >= 0; index--)
            {
                ring[index].Link(next);
                next = ring[index].Pointer;
            }
        }

        pool.Write(_head, next);
    }

    /// <summary>A queue left its ring; its own link stays, so that a controller that stands on it finds the way back.</summary>
    public void Leave(QueueCopy queue)
    {
        _leaving.Add(queue);
        _leavingBy.Add(NextDoorbell);
    }

    /// <summary>The doorbell is rung now.</summary>
    public void Ring() => _rung++;

    /// <summary>The doorbell was answered: what left before it was rung is free.</summary>
    public void Answer()
    {
        if (!IsRinging)
            return;
        _answered = _rung;
        Retire(_answered);
    }

    /// <summary>The controller stands still: nothing is held.</summary>
    public void Forget()
    {
        _answered = _rung;
        Retire(ulong.MaxValue);
    }

    /// <summary>Whether something of a VM has left and is not free yet.</summary>
    public bool HoldsOf(CopiedGuest guest)
    {
        foreach (QueueCopy queue in _leaving)
        {
            if (queue.IsOf(guest))
                return true;
        }

        return false;
    }

    private void Retire(ulong answered)
    {
        for (int index = _leaving.Count - 1; index >= 0; index--)
        {
            if (_leavingBy[index] > answered)
                continue;
            _leaving[index].Retire();
            _leaving.RemoveAt(index);
            _leavingBy.RemoveAt(index);
        }
    }
}
