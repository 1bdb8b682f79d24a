using System.Runtime.InteropServices;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Drivers;

/// <summary>The ring of requests as pipes use it: each waits for its own answer.</summary>
/// <param name="processor">Who waits.</param>
/// <param name="gate">The way to the VMM.</param>
/// <param name="ring">The ring.</param>
internal sealed class ParavirtualRing(Processor processor, IHypercallGate gate, FrontRing ring)
{
    private readonly Dictionary<ushort, Waiter> _waiters = [];
    private readonly Signal _room = new(processor.Loop);
    private ushort _lastId;

    /// <summary>Whether the back end is gone, or never answers again.</summary>
    public bool HasStopped { get; private set; }

    /// <summary>Makes a request and waits for its answer.</summary>
    /// <param name="request">The request; its id is chosen here.</param>
    /// <param name="segments">Its segments.</param>
    /// <param name="timeoutNs">How long to wait before it is taken back, in nanoseconds; then its answer is waited for all the same.</param>
    /// <param name="stop">Raised by who wants to take it back earlier; null for nobody.</param>
    public async ValueTask<UrbResponse> Submit(UrbRequest request, UrbSegment[] segments, ulong timeoutNs, Func<bool>? stop = null)
    {
        Waiter waiter = await Make(request, segments);
        ulong nowNs = processor.Loop.NowNs;
        ulong endNs = timeoutNs > ulong.MaxValue - nowNs ? ulong.MaxValue : nowNs + timeoutNs;
        bool isAsked = false;
        while (waiter.Response is null && !HasStopped)
        {
            nowNs = processor.Loop.NowNs;
            bool isLate = nowNs >= endNs || stop?.Invoke() == true;
            if (isLate && !isAsked)
            {
                // Both are answered: the wish, and the request itself.
                isAsked = true;
                endNs = ulong.MaxValue;
                UrbPipe pipe = request.Pipe with { Unlink = true };
                _ = await Make(new UrbRequest { Pipe = pipe, UnlinkId = waiter.Id }, []);
                continue;
            }

            _ = await processor.Wait(waiter.Done, endNs == ulong.MaxValue ? ulong.MaxValue : endNs - nowNs);
        }

        return waiter.Response ?? new UrbResponse { Status = UrbStatus.Shutdown };
    }

    /// <summary>Hands out the answers that are there.</summary>
    public void TakeAll()
    {
        UrbResponse response = default;
        do
        {
            while (ring.TryTake(MemoryMarshal.AsBytes(new Span<UrbResponse>(ref response))))
            {
                if (!_waiters.Remove(response.Id, out Waiter? waiter))
                    continue;
                waiter.Response = response;
                waiter.Done.Raise();
            }
        }
        while (!ring.Sleep());
        _room.Raise();
    }

    /// <summary>Lets whoever waits for an answer look whether it still wants it.</summary>
    public void WakeAll()
    {
        foreach (Waiter waiter in _waiters.Values)
            waiter.Done.Raise();
    }

    /// <summary>From now on nothing is answered any more.</summary>
    public void Stop()
    {
        HasStopped = true;
        WakeAll();
        _room.Raise();
    }

    private async ValueTask<Waiter> Make(UrbRequest request, UrbSegment[] segments)
    {
        while (ring.Free == 0 && !HasStopped)
            _ = await processor.Wait(_room);
        Waiter waiter = new(NextId(), new(processor.Loop));
        if (HasStopped)
            return waiter;
        _waiters.Add(waiter.Id, waiter);
        byte[] entry = new byte[UrbRequest.Size];
        (request with { Id = waiter.Id }).Write(entry);
        segments.CopyTo(MemoryMarshal.Cast<byte, UrbSegment>(entry.AsSpan(UrbRequest.HeadSize)));
        ring.Add(entry);
        if (ring.Push())
            _ = await gate.Call(Hypercall.NotifyUsb);
        return waiter;
    }

    private ushort NextId()
    {
        do
            _lastId++;
        while (_waiters.ContainsKey(_lastId));
        return _lastId;
    }

    private sealed class Waiter(ushort id, Signal done)
    {
        public ushort Id => id;

        public Signal Done => done;

        public UrbResponse? Response { get; set; }
    }
}
