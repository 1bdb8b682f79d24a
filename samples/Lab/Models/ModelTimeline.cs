using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Writes down who does what, while it is switched on: from charges, packets, and requests that the remapping unit sees.</summary>
/// <remarks>
/// In the order in which it happens, at the time of the event loop: what software does between two waits stands at the
/// instant at which it begins, and its cost shows as the distance to what it does next.
/// </remarks>
internal sealed class ModelTimeline
{
    private readonly ModelWorld _world;
    private readonly BusTrace _requests;
    private readonly TransferLog _transfers;
    private readonly List<ModelEvent> _events = [];
    private ulong _startNs;

    /// <summary>A timeline that is switched off.</summary>
    /// <param name="world">What is watched; started.</param>
    /// <param name="requests">The trace that its host writes.</param>
    /// <param name="transfers">The transfers of the guest's drivers.</param>
    public ModelTimeline(ModelWorld world, BusTrace requests, TransferLog transfers) => (_world, _requests, _transfers) = (world, requests, transfers);

    /// <summary>Switches it on: it begins now, and anew.</summary>
    public void Start()
    {
        _events.Clear();
        _startNs = _world.Host.Loop.NowNs;
        _requests.Watcher = request => Add(ModelLane.Iommu, NameOf(request), (ulong)request.Length);
        _transfers.Watcher = (what, bytes) => Add(ModelLane.Guest, what, (ulong)bytes);
        Watch(_world.Machine.Cpu.Processor, ModelLane.Guest);
        Watch(_world.Host.Cpu.Processor, ModelLane.Vmm);
        if (_world.Stack is { } stack)
            Watch(stack.Processor, ModelLane.HostDrivers);
        foreach (UsbBus bus in _world.Buses)
            bus.Observer = new Packets(this);
    }

    /// <summary>Switches it off.</summary>
    /// <returns>What happened, in order, and what is the same next to each other put together.</returns>
    public IReadOnlyList<ModelEvent> Stop()
    {
        _world.Machine.Cpu.Processor.Charging = null;
        _world.Host.Cpu.Processor.Charging = null;
        _world.Stack?.Processor.Charging = null;
        _requests.Watcher = null;
        _transfers.Watcher = null;
        foreach (UsbBus bus in _world.Buses)
            bus.Observer = null;
        return Together(_events);
    }

    private static string NameOf(TraceEvent request) => request switch
    {
        { Kind: TraceKind.Interrupt } => "interrupt",
        { Status: not DmaStatus.Success } => "blocked",
        { Kind: TraceKind.Write, Address: >= InterruptRange.First and <= InterruptRange.Last } => "message",
        { Kind: TraceKind.Write } => "writes",
        _ => "reads",
    };

    // Neighbours of the same kind; what a controller does it does all the time, and does not part them.
    private static List<ModelEvent> Together(List<ModelEvent> events)
    {
        List<ModelEvent> together = [];
        foreach (ModelEvent entry in events)
        {
            int at = together.Count - 1;
            while (at >= 0 && (together[at].Lane != entry.Lane || together[at].What != entry.What) && IsBackground(together[at]) && IsBackground(entry))
                at--;
            if (at >= 0 && together[at].Lane == entry.Lane && together[at].What == entry.What && (IsBackground(entry) || at == together.Count - 1))
                together[at] = together[at] with { EndNs = entry.EndNs, Count = together[at].Count + entry.Count, Bytes = together[at].Bytes + entry.Bytes };
            else
                together.Add(entry);
        }

        return together;
    }

    private static bool IsBackground(ModelEvent entry) => entry.Lane is ModelLane.Bus or ModelLane.Iommu || (entry is { Lane: ModelLane.Vmm, What: "copies" });

    private void Watch(Processor processor, ModelLane lane)
    {
        processor.Charging = (cost, times) =>
        {
            if (cost == Cost.CopiedByte)
            {
                // Belongs to the copy that was begun a moment ago.
                int last = _events.FindLastIndex(entry => entry.Lane == lane && entry.What == "copies");
                if (last >= 0)
                    _events[last] = _events[last] with { Bytes = _events[last].Bytes + times };
                return;
            }

            (ModelLane who, string? what) = cost switch
            {
                Cost.Exit => (lane, "exit"),
                Cost.Hypercall => (lane, "hypercall"),
                Cost.InterruptInjection => (ModelLane.Vmm, "injects an interrupt"),
                Cost.Notification => (lane, "takes a posted interrupt"),
                Cost.Invalidation => (lane, "invalidates"),
                Cost.PageFault => (lane, "page fault"),
                Cost.RegisterAccess => (lane, "reads a register"),
                Cost.Copy => (lane, "copies"),
                _ => (lane, null),
            };
            if (what is not null)
                Add(who, what, 0);
        };
    }

    private void Add(ModelLane lane, string what, ulong bytes)
    {
        ulong at = _world.Host.Loop.NowNs - _startNs;
        _events.Add(new(at, at, lane, what, 1, bytes));
    }

    private sealed class Packets(ModelTimeline timeline) : IPacketObserver
    {
        public void Transaction(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake)
        {
            string what = handshake == UsbPid.Nak ? $"{Name(token.Pid)} NAK" : handshake == UsbPid.Stall ? $"{Name(token.Pid)} STALL" : Name(token.Pid);
            timeline.Add(ModelLane.Bus, what, handshake is UsbPid.Nak or UsbPid.Stall ? 0 : (ulong)data.Length);
        }

        private static string Name(UsbPid pid) => pid switch
        {
            UsbPid.In => "IN",
            UsbPid.Out => "OUT",
            UsbPid.Setup => "SETUP",
            UsbPid.Ping => "PING",
            _ => "other",
        };
    }
}
