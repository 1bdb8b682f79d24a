using System.Runtime.CompilerServices;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Lets a few transfers of several front ends be under way at a time, and gives each front end as many bytes as the others.</summary>
/// <remarks>
/// <code>
/// front end 0   [4K][4K][4K]      each turn adds a quantum to what its front end may send;
/// front end 1   [64K][64K]        what it sends is taken off; whoever has too little waits for its next turn
/// front end 2   (nothing waits)   and loses nothing of the others
/// </code>
/// A device that has nothing to say holds a transfer for ever: after a while the place is given on, and paid for by its time,
/// as if the bus had moved data for it. What is waited for here is known by nobody but its own front end, so that no queue
/// stands before another's.
/// </remarks>
public sealed class FairGate
{
    private const long BytesPerMicrosecond = 40;

    private readonly EventLoop _loop;
    private readonly FairGateOptions _options;
    private readonly Flow[] _flows;
    private readonly LinkedList<Waiting> _arrivals = new();
    private int _free;
    private int _current;
    private bool _isVisited;
    private bool _isDue;

    /// <summary>A gate through which nothing went yet.</summary>
    /// <param name="loop">Virtual time.</param>
    /// <param name="flows">How many front ends there are.</param>
    /// <param name="options">How it decides.</param>
    public FairGate(EventLoop loop, int flows, FairGateOptions options)
    {
        (_loop, _options, _free) = (loop, options, options.Slots);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Slots, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.QuantumBytes, 1);
        _flows = [.. Enumerable.Range(0, flows).Select(_ => new Flow())];
    }

    /// <summary>How many wait.</summary>
    public int WaitingCount => _arrivals.Count;

    /// <summary>How many bytes of a front end were let through.</summary>
    public ulong BytesOf(int flow) => _flows[flow].Bytes;

    /// <summary>Waits for a place.</summary>
    /// <param name="flow">Which front end asks.</param>
    /// <param name="bytes">Bytes of the transfer.</param>
    /// <returns>The place, which is left when the transfer has ended.</returns>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<TransferTurn> Enter(int flow, int bytes)
    {
        Waiting waiting = new(flow, bytes, new(TaskCreationOptions.RunContinuationsAsynchronously));
        _arrivals.AddLast(waiting);
        _flows[flow].Waiting.Enqueue(waiting);
        DispatchSoon();
        await waiting.Turn.Task;
        TransferTurn turn = new(this, flow);
        _ = _loop.Schedule(_options.HoldNsMax, turn.TakeAway);
        return turn;
    }

    /// <summary>A place is free.</summary>
    internal void Leave()
    {
        _free++;
        DispatchSoon();
    }

    /// <summary>A place was taken away from a transfer that goes on.</summary>
    internal void Charge(int flow) => _flows[flow].Deficit -= (long)(_options.HoldNsMax / 1000) * BytesPerMicrosecond;

    // Whoever comes at this instant is considered too: the one whose transfer just ended mostly has the next one ready.
    private void DispatchSoon()
    {
        if (_isDue)
            return;
        _isDue = true;
        _ = _loop.Schedule(0, () => _loop.Schedule(0, Dispatch));
    }

    private void Dispatch()
    {
        _isDue = false;
        while (_free > 0 && _arrivals.Count != 0)
        {
            Waiting next = _options.Order == TransferOrder.FirstComeFirstServed ? _arrivals.First!.Value : NextInTurn();
            _ = _arrivals.Remove(next);
            _ = _flows[next.Flow].Waiting.Dequeue();
            _flows[next.Flow].Bytes += (ulong)next.Bytes;
            _free--;
            next.Turn.SetResult();
        }
    }

    // Each round gives everybody who waits a quantum, so that it ends after as many as the dearest one needs.
    private Waiting NextInTurn()
    {
        while (true)
        {
            Flow flow = _flows[_current];
            if (flow.Waiting.TryPeek(out Waiting? first))
            {
                flow.Deficit += _isVisited ? 0 : _options.QuantumBytes;
                _isVisited = true;
                if (flow.Deficit >= first.Bytes)
                {
                    flow.Deficit -= first.Bytes;
                    return first;
                }
            }
            else
            {
                // Nothing is saved up; a debt stays.
                flow.Deficit = Math.Min(flow.Deficit, 0);
            }

            _current = (_current + 1) % _flows.Length;
            _isVisited = false;
        }
    }

    private sealed class Flow
    {
        public Queue<Waiting> Waiting { get; } = new();

        public long Deficit { get; set; }

        public ulong Bytes { get; set; }
    }

    private sealed record Waiting(int Flow, int Bytes, TaskCompletionSource Turn);
}
