using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The streams of an endpoint: which of them have work, and where the ring of each is (xHCI, streams).</summary>
/// <remarks>
/// The rings are found through arrays in memory. A linear array has an entry for each stream; otherwise the low bits of a
/// stream number choose the entry of the primary array, and where that leads to a secondary one, the other bits choose there.
/// </remarks>
internal sealed class EndpointStreams
{
    private const int WaitingMax = 64;

    private readonly Queue<ushort> _waiting = new(WaitingMax);
    private ulong _array;
    private int _bits;
    private bool _isLinear;

    /// <summary>Whether the endpoint has streams.</summary>
    public bool Exist => _bits != 0;

    /// <summary>The stream that is worked on; 0 for none.</summary>
    public ushort Current { get; private set; }

    /// <summary>Where the context of that stream is.</summary>
    public ulong CurrentContext { get; private set; }

    /// <summary>Whether another stream waits for its turn.</summary>
    public bool HasWaiting => _waiting.Count != 0;

    /// <summary>The endpoint got a context.</summary>
    public void Configure(in EndpointContext context)
    {
        Forget();
        _bits = context.StreamsMax == 0 ? 0 : context.StreamsMax + 1;
        (_array, _isLinear) = (context.Dequeue, context.LinearStreams);
    }

    /// <summary>No stream has work any more.</summary>
    public void Forget()
    {
        _waiting.Clear();
        (Current, CurrentContext) = (0, 0);
    }

    /// <summary>The streams that wait for their turns, in order.</summary>
    public IReadOnlyCollection<ushort> Waiting => _waiting;

    /// <summary>A stream is worked on again, as it was when the state of its endpoint was saved.</summary>
    /// <param name="stream">The stream; 0 for none.</param>
    /// <param name="context">Where its context is.</param>
    public void Resume(ushort stream, ulong context) => (Current, CurrentContext) = Exist ? (stream, context) : ((ushort)0, 0ul);

    /// <summary>A doorbell rang for a stream; too many of them at once are forgotten, like a doorbell that rings twice.</summary>
    public void Ring(ushort stream)
    {
        if (stream != Current && !_waiting.Contains(stream) && _waiting.Count < WaitingMax)
            _waiting.Enqueue(stream);
    }

    /// <summary>Takes up the next stream that waits.</summary>
    /// <param name="memory">Where the arrays are.</param>
    /// <param name="ring">The ring of the stream.</param>
    /// <returns>Success; otherwise what is wrong with the stream, or none where no stream waits or the bus failed.</returns>
    public CompletionCode Next(XhciMemory memory, out RingCursor ring)
    {
        ring = default;
        if (!_waiting.TryDequeue(out ushort stream))
            return CompletionCode.None;
        CompletionCode code = Find(memory, stream, out ulong at, out StreamContext context);
        if (code != CompletionCode.Success)
            return code;
        (Current, CurrentContext) = (stream, at);
        ring = new(context.Dequeue, context.CycleState);
        return code;
    }

    /// <summary>Puts the current stream aside, its place on its ring into its context.</summary>
    /// <param name="memory">Where the arrays are.</param>
    /// <param name="ring">Its place.</param>
    /// <param name="hasWork">Whether it waits for another turn.</param>
    public void PutAside(XhciMemory memory, RingCursor ring, bool hasWork)
    {
        if (Current == 0)
            return;
        Store(memory, CurrentContext, ring);
        (ushort stream, Current) = (Current, 0);
        if (hasWork)
            Ring(stream);
    }

    /// <summary>Finds the context of a stream.</summary>
    /// <returns>Success; otherwise what is wrong, or none where the bus failed.</returns>
    public CompletionCode Find(XhciMemory memory, ushort stream, out ulong at, out StreamContext context)
    {
        int index = stream & ((1 << _bits) - 1);
        int rest = stream >> _bits;
        (at, context) = (_array + ((ulong)index * StreamContext.Size), default);

        // Stream 0 is nobody's, and FFFEh and FFFFh have other meanings on the wire.
        if (stream is 0 or >= 0xFFFE || index == 0 || (_isLinear && rest != 0))
            return CompletionCode.InvalidStream;
        if (!memory.TryRead(at, out context))
            return CompletionCode.None;
        if (context.Type == StreamContextType.PrimaryRing)
            return rest == 0 ? CompletionCode.Success : CompletionCode.InvalidStream;
        if (_isLinear || context.Type == StreamContextType.SecondaryRing)
            return CompletionCode.InvalidStreamType;

        int count = 4 << ((int)context.Type - 1);
        if (rest >= count)
            return CompletionCode.InvalidStream;
        at = context.Dequeue + ((ulong)rest * StreamContext.Size);
        if (!memory.TryRead(at, out context))
            return CompletionCode.None;
        return context.Type == StreamContextType.SecondaryRing ? CompletionCode.Success : CompletionCode.InvalidStreamType;
    }

    /// <summary>Writes a place on a ring into a stream context.</summary>
    public static void Store(XhciMemory memory, ulong at, RingCursor ring)
    {
        Span<byte> low = stackalloc byte[sizeof(ulong)];
        if (!memory.TryRead(at, out StreamContext context))
            return;
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64LittleEndian(
            low, (context with { Dequeue = ring.Address & ~0xFul, CycleState = ring.Cycle }).Raw.Word0);
        _ = memory.TryWrite(at, low);
    }
}
