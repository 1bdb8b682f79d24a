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

    /// <summary>Whether each request is a call of its own, and not only there to be found.</summary>
    public bool IsCalled { get; set; }

    /// <summary>Whether the back end is gone, or never answers again.</summary>
    public bool HasStopped { get; private set; }

    /// <summary>Makes requests that belong together, and waits for the answers of all of them.</summary>
    /// <param name="requests">The requests with their segments; ids are chosen here.</param>
    /// <param name="timeoutNs">How long to wait before they are taken back, in nanoseconds; then their answers are waited for all the same.</param>
    /// <param name="stop">Asked when somebody woke all who wait: whether to take them back earlier; null for never.</param>
    /// <returns>An answer for each.</returns>
    public async ValueTask<UrbResponse[]> Submit((UrbRequest Request, UrbSegment[] Segments)[] requests, ulong timeoutNs, Func<bool>? stop = null)
    {
        ulong nowNs = processor.Loop.NowNs;
        ulong endNs = timeoutNs > ulong.MaxValue - nowNs ? ulong.MaxValue : nowNs + timeoutNs;
        Waiter[] waiters = await Make(requests);
        UrbResponse[] responses = new UrbResponse[waiters.Length];
        bool isAsked = false;
        for (int index = 0; index < waiters.Length; index++)
        {
            while (waiters[index].Response is null && !HasStopped)
            {
                nowNs = processor.Loop.NowNs;
                if (!isAsked && (nowNs >= endNs || stop?.Invoke() == true))
                {
                    // From the last to the first, so that none begins since the one before it ended.
                    isAsked = true;
                    endNs = ulong.MaxValue;
                    _ = await Make([.. requests.Zip(waiters).Skip(index).Reverse().Select(pair => (Unlink(pair.First.Request, pair.Second.Id), Array.Empty<UrbSegment>()))]);
                    continue;
                }

                _ = await processor.Wait(waiters[index].Done, endNs == ulong.MaxValue ? ulong.MaxValue : endNs - nowNs);
            }

            responses[index] = waiters[index].Response ?? new UrbResponse { Status = UrbStatus.Shutdown };
        }

        return responses;
    }

    /// <summary>Makes a request and waits for its answer.</summary>
    /// <inheritdoc cref="Submit(ValueTuple{UrbRequest, UrbSegment[]}[], ulong, Func{bool})"/>
    public async ValueTask<UrbResponse> Submit(UrbRequest request, UrbSegment[] segments, ulong timeoutNs, Func<bool>? stop = null) =>
        (await Submit([(request, segments)], timeoutNs, stop))[0];

    /// <summary>Hands out the answers that are there.</summary>
    public void TakeAll()
    {
        UrbResponse response = default;
        bool isLast = false;
        do
        {
            while (ring.TryTake(MemoryMarshal.AsBytes(new Span<UrbResponse>(ref response))))
            {
                isLast |= response.Status == UrbStatus.Shutdown;
                if (!_waiters.Remove(response.Id, out Waiter? waiter))
                    continue;
                waiter.Response = response;
                waiter.Done.Raise();
            }
        }
        while (!ring.Sleep());
        if (isLast)
            Stop();
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

    private static UrbRequest Unlink(UrbRequest request, ushort id) => new() { Pipe = request.Pipe with { Unlink = true }, UnlinkId = id };

    // As many as there is room for at a time, and the host is woken once for them.
    private async ValueTask<Waiter[]> Make((UrbRequest Request, UrbSegment[] Segments)[] requests)
    {
        Waiter[] waiters = new Waiter[requests.Length];
        for (int made = 0; made < requests.Length;)
        {
            while (ring.Free == 0 && !HasStopped)
                _ = await processor.Wait(_room);
            do
            {
                waiters[made] = Add(requests[made].Request, requests[made].Segments);
                made++;
            }
            while (made < requests.Length && (HasStopped || (ring.Free != 0 && !IsCalled)));
            if (!HasStopped && (ring.Push() || IsCalled) && (await gate.Call(Hypercall.NotifyUsb)).Refusal != DmaRefusal.None)
                Stop();
        }

        return waiters;
    }

    private Waiter Add(UrbRequest request, UrbSegment[] segments)
    {
        Waiter waiter = new(NextId(), new(processor.Loop));
        if (HasStopped)
            return waiter;
        _waiters.Add(waiter.Id, waiter);
        byte[] entry = new byte[UrbRequest.Size];
        (request with { Id = waiter.Id }).Write(entry);
        segments.CopyTo(MemoryMarshal.Cast<byte, UrbSegment>(entry.AsSpan(UrbRequest.HeadSize)));
        ring.Add(entry);
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
