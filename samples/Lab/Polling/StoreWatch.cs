using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Knows when a driver stored into registers and when the device got it, and so what never came.</summary>
internal sealed class StoreWatch(PolledRegisters registers, IReadOnlyList<PolledCell> cells, EventLoop loop, Timeline? timeline)
{
    private const int TracedMax = 20_000;

    private readonly Dictionary<int, PolledCell> _cells = registers.Cells.ToDictionary(cell => cell.Offset);
    private readonly Dictionary<int, string> _names = cells.ToDictionary(cell => cell.Offset, cell => cell.Name);
    private readonly Dictionary<int, Queue<(ulong Value, ulong AtNs)>> _pending = [];
    private readonly SortedDictionary<string, int> _notSeen = new(StringComparer.Ordinal);
    private readonly TimelineTrack _stores = timeline?.Track("VMs", "stores into registers") ?? default;
    private readonly TimelineTrack _poller = timeline?.Track("VMM", "poller") ?? default;
    private readonly TimelineTrack _device = timeline?.Track("controller", "registers") ?? default;
    private ulong _totalNs;
    private ulong _count;
    private int _traced;

    /// <summary>Who notes each store and when the device got it, or null.</summary>
    public AccessClock? Clock { get; set; }

    /// <summary>The longest way of a store, in nanoseconds.</summary>
    public ulong MaxNs { get; private set; }

    /// <summary>The mean, in nanoseconds.</summary>
    public ulong MeanNs => _count == 0 ? 0 : _totalNs / _count;

    /// <summary>The device as a driver gets it, with its stores seen.</summary>
    public IDevice Watch(IDevice device)
    {
        registers.Applied = Applied;
        return new Device(this, device);
    }

    /// <summary>Stores that never came, by register; what is still on its way counts.</summary>
    public IReadOnlyDictionary<string, int> End()
    {
        foreach ((int offset, Queue<(ulong, ulong)> left) in _pending)
            NotSeen(offset, left.Count);
        _pending.Clear();
        return new Dictionary<string, int>(_notSeen);
    }

    private void Stored(int offset, ulong value, ulong nowNs)
    {
        // What exits takes time of the driver; what is memory is there at once.
        bool isPolled = _cells.TryGetValue(offset, out PolledCell cell);
        Clock?.Stored(NameOf(offset), value, isPolled ? loop.NowNs : nowNs);
        if (!isPolled)
            return;
        if (!_pending.TryGetValue(offset, out Queue<(ulong, ulong)>? queue))
            _pending.Add(offset, queue = new());
        queue.Enqueue((value, loop.NowNs));
        if (_traced++ < TracedMax)
            timeline?.Instant(_stores, cell.Name, loop.NowNs, ("value", $"0x{value:x}"));
    }

    // The store with this value; those before it were overwritten, or looked like nothing.
    private void Applied(PolledWrite write)
    {
        Clock?.Got(NameOf(write.Offset), write.Value, write.NowNs);
        if (!_pending.TryGetValue(write.Offset, out Queue<(ulong Value, ulong AtNs)>? queue) || !queue.Any(store => store.Value == write.Value))
            return;
        int passed = 0;
        (ulong value, ulong atNs) = queue.Dequeue();
        for (; value != write.Value; passed++)
            (value, atNs) = queue.Dequeue();
        NotSeen(write.Offset, passed);
        ulong tookNs = write.NowNs - atNs;
        (_totalNs, MaxNs) = (_totalNs + tookNs, Math.Max(MaxNs, tookNs));
        _count++;
        if (_traced++ < TracedMax)
        {
            timeline?.Instant(_poller, _cells[write.Offset].Name, write.NowNs, ("after ns", tookNs));
            timeline?.Instant(_device, _cells[write.Offset].Name, write.NowNs, ("value", $"0x{write.Value:x}"));
        }
    }

    private string NameOf(int offset) => _names.GetValueOrDefault(offset, $"{offset:X}h");

    private void NotSeen(int offset, int count)
    {
        if (count != 0)
            _notSeen[_cells[offset].Name] = _notSeen.GetValueOrDefault(_cells[offset].Name) + count;
    }

    private sealed class Device(StoreWatch watch, IDevice device) : IDevice
    {
        public IConfigurationAccess Configuration => device.Configuration;

        public IInterruptLine Interrupt => device.Interrupt;

        public IDmaSpace Dma => device.Dma;

        public Processor Processor => device.Processor;

        public IRegisterWindow OpenBar(int bar) => bar == 0 ? new Window(watch, device.Processor, device.OpenBar(0)) : device.OpenBar(bar);
    }

    private sealed class Window(StoreWatch watch, Processor processor, IRegisterWindow window) : IRegisterWindow
    {
        public ulong Length => window.Length;

        public ulong Read(int offset, int width) => window.Read(offset, width);

        public void Write(int offset, int width, ulong value)
        {
            watch.Stored(offset, value, processor.NowNs);
            window.Write(offset, width, value);

            // What is not polled exits: the device has it when the driver goes on.
            if (!watch._cells.ContainsKey(offset))
                watch.Clock?.Got(watch.NameOf(offset), value, processor.NowNs);
        }
    }
}
