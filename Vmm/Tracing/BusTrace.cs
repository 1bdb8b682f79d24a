using System.Text;
using Dma.Iommu;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A record of what goes over the bus of a host: requests of devices, interrupts, faults. It changes nothing.</summary>
/// <remarks>Two runs of the same host with the same seed give the same trace, byte for byte.</remarks>
/// <param name="limit">How many events are kept, 1 at least; the others are counted only.</param>
/// <param name="keepsLast">Whether those that are kept are the last ones; else they are the first ones.</param>
public sealed class BusTrace(int limit = 1 << 20, bool keepsLast = false)
{
    private readonly List<TraceEvent> _events = [];
    private int _first;

    /// <summary>The events in order.</summary>
    public IReadOnlyList<TraceEvent> Events => _first == 0 ? _events : [.. _events[_first..], .. _events[.._first]];

    /// <summary>How many events were not kept.</summary>
    public ulong Dropped { get; private set; }

    /// <summary>Whether the events that are kept are the last ones.</summary>
    public bool KeepsLast => keepsLast;

    /// <summary>Told of each event as it happens; null for nobody.</summary>
    public Action<TraceEvent>? Watcher { get; set; }

    /// <summary>Forgets all events so far.</summary>
    public void Clear()
    {
        _events.Clear();
        (_first, Dropped) = (0, 0);
    }

    /// <summary>The events as text, one line each.</summary>
    public override string ToString()
    {
        StringBuilder text = new();
        foreach (TraceEvent entry in _events)
            text.Append(entry).Append('\n');
        return text.ToString();
    }

    internal IDmaFabric Watch(IDmaFabric fabric, EventLoop loop) => new TracedFabric(this, fabric, loop);

    internal IInterruptSink Watch(IInterruptSink interrupts, EventLoop loop) => new TracedInterrupts(this, interrupts, loop);

    internal IRemappingObserver WatchFaults(EventLoop loop) => new TracedFaults(this, loop);

    private void Add(in TraceEvent entry)
    {
        Watcher?.Invoke(entry);
        if (_events.Count < limit)
        {
            _events.Add(entry);
            return;
        }

        // The oldest makes room.
        Dropped++;
        if (!keepsLast)
            return;
        _events[_first] = entry;
        _first = (_first + 1) % limit;
    }

    private sealed class TracedFabric(BusTrace trace, IDmaFabric fabric, EventLoop loop) : IDmaFabric
    {
        public IDmaPort Open(SourceId source) => new TracedPort(trace, fabric.Open(source), loop);

        public void Connect(SourceId source, IDeviceTlb? deviceTlb) => fabric.Connect(source, deviceTlb);
    }

    private sealed class TracedPort(BusTrace trace, IDmaPort port, EventLoop loop) : IDmaPort
    {
        private const ulong HashStart = 0xCBF29CE484222325;
        private const ulong HashFactor = 0x100000001B3;

        public SourceId Source => port.Source;

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
        {
            DmaStatus status = port.Read(address, destination, attributes);
            Add(TraceKind.Read, address, destination, status);
            return status;
        }

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
        {
            DmaStatus status = port.Write(address, source, attributes);
            Add(TraceKind.Write, address, source, status);
            return status;
        }

        public DmaStatus CompareSwap(Iova address, ulong compare, ulong swap, out ulong found, DmaAttributes attributes = default)
        {
            DmaStatus status = port.CompareSwap(address, compare, swap, out found, attributes);
            Add(TraceKind.Atomic, address, BitConverter.GetBytes(swap), status);
            return status;
        }

        public TranslationCompletion RequestTranslation(Iova address, bool wantsWrite, DmaAttributes attributes = default)
        {
            TranslationCompletion completion = port.RequestTranslation(address, wantsWrite, attributes);
            DmaStatus status = completion.Status == TranslationStatus.Success ? DmaStatus.Success : DmaStatus.Blocked;
            trace.Add(new(loop.NowNs, TraceKind.Translation, port.Source, address.Value, 0, status, completion.Address.Value));
            return completion;
        }

        public void RequestPage(in PageRequest request)
        {
            trace.Add(new(loop.NowNs, TraceKind.PageRequest, port.Source, request.Address.Value, 0, DmaStatus.Success, (ulong)request.Group));
            port.RequestPage(request);
        }

        public void CompleteInvalidation(int tag)
        {
            trace.Add(new(loop.NowNs, TraceKind.InvalidationDone, port.Source, 0, 0, DmaStatus.Success, (ulong)tag));
            port.CompleteInvalidation(tag);
        }

        // FNV-1a.
        private void Add(TraceKind kind, Iova address, ReadOnlySpan<byte> bytes, DmaStatus status)
        {
            ulong hash = HashStart;
            foreach (byte value in bytes)
                hash = (hash ^ value) * HashFactor;
            trace.Add(new(loop.NowNs, kind, port.Source, address.Value, bytes.Length, status, hash));
        }
    }

    private sealed class TracedInterrupts(BusTrace trace, IInterruptSink interrupts, EventLoop loop) : IInterruptSink
    {
        public void Deliver(MessageInterrupt message)
        {
            trace.Add(new(loop.NowNs, TraceKind.Interrupt, default, message.Address, sizeof(uint), DmaStatus.Success, message.Data));
            interrupts.Deliver(message);
        }
    }

    private sealed class TracedFaults(BusTrace trace, EventLoop loop) : IRemappingObserver
    {
        public void FaultDetected(in RemappingFault fault, FaultDisposition disposition) =>
            trace.Add(new(loop.NowNs, TraceKind.Fault, fault.Source, fault.Address.Value, 0, DmaStatus.Blocked, (ulong)fault.Reason));
    }
}
