using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A device of a VM whose registers are memory: what the guest stores there reaches the device when the poller looks.</summary>
/// <remarks>
/// For each register the poller keeps a shadow: what it last put into memory. Where memory differs, the guest wrote. It gives that
/// to the device, reads the device again, and publishes what is new, but never over something that it has not seen yet. An
/// interrupt of the device waits until the status that it speaks of is in memory.
/// </remarks>
public sealed class PolledRegisters : IMmioDevice, IGuestService
{
    private const int VectorsUsual = 16;
    // A port for each place in the guest's PCI hierarchy; each VM has ports of its own.
    private const int FirstPort = 0x5600;

    private const ulong RestingDoorbell = uint.MaxValue;

    private readonly RegisterPoller _poller;
    private readonly PciFunction _function;
    private readonly PolledPages _pages;
    private readonly PolledCell[] _cells;
    private readonly PhysicalAddress[] _places;
    private readonly ulong[] _shadow;
    private readonly List<ulong> _bars = [];
    private readonly List<MessageInterrupt> _held = new(VectorsUsual);
    private readonly PhysicalMemory _memory;
    private readonly ScheduledEvent _soon;
    private ushort? _port;
    private int _next;
    private bool _isServing;

    internal PolledRegisters(RegisterPoller poller, VirtualMachine machine, PciFunction function, SourceId place, PolledRegisterMap map, PolledAccess access)
    {
        (_poller, Machine, _function, Access, _memory) = (poller, machine, function, access, machine.Host.Memory);
        _soon = new(() => _ = Serve(int.MaxValue));
        if (access == PolledAccess.WriteRing && !HasRoomForRing(map, function.BarSize(0)))
            throw new ArgumentException("The write ring needs the last KiB of the first page, and a BAR that 16 bits reach.", nameof(map));
        int pages = (int)((function.BarSize(0) + FrameSize.Page4K.Bytes - 1) / FrameSize.Page4K.Bytes);
        if (map.Cells.Any(cell => cell.Offset >> 12 >= pages))
            throw new ArgumentException("A register of the map is not behind BAR 0.", nameof(map));
        _pages = new(machine, pages, page => IsPolled(map, page, access));
        _cells = [.. map.Cells.Where(cell => _pages.IsPolled(cell.Offset >> 12))];
        _places = [.. _cells.Select(cell => _pages.AddressOf(cell.Offset))];
        _shadow = new ulong[_cells.Length];
        PlaceBars(place);
        for (int index = 0; index < _cells.Length; index++)
            Put(index, ValueOf(index));
        if (access == PolledAccess.WriteRing)
            OpenRing();
        machine.PolledDevices.Add(this);
        machine.Services.Add(this);
        function.Refreshed = () => _pages.Follow(function.DecodedAt(0));
    }

    /// <summary>The VM that has it.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>Which of its registers are polled.</summary>
    public PolledAccess Access { get; }

    /// <summary>The registers that are polled, in the order in which changes are dealt with.</summary>
    public IReadOnlyList<PolledCell> Cells => _cells;

    /// <summary>How many pages of registers the guest reaches without an exit now.</summary>
    public int MappedPages => _pages.Mapped;

    /// <summary>Told of each write that the device gets by polling; null for nobody.</summary>
    public Action<PolledWrite>? Applied { get; set; }

    /// <summary>Takes the device out of the VM, and gives back what it needed.</summary>
    public void Unplug()
    {
        if (!Machine.PolledDevices.Remove(this))
            return;
        Machine.Services.Remove(this);
        _poller.Remove(this);
        _soon.Cancel();
        _held.Clear();
        _function.Refreshed = null;
        GiveBack();
        if (_port is { } port)
            Machine.Bus.RemovePorts(port, this);
    }

    /// <inheritdoc/>
    ulong IMmioDevice.Read(ulong offset, int width)
    {
        Kick();
        return 0;
    }

    /// <inheritdoc/>
    void IMmioDevice.Write(ulong offset, int width, ulong value) => Kick();

    /// <inheritdoc/>
    ValueTask IGuestService.Close()
    {
        Unplug();
        return default;
    }

    /// <summary>Whether an interrupt has to wait; it is sent when status is in memory.</summary>
    internal bool Holds(MessageInterrupt message)
    {
        if (_cells.Length == 0 || !_poller.Options.PublishesFirst)
            return false;
        // One that waits already stands for this one too: it is sent later. So there are no more than the device has vectors.
        if (!_held.Contains(message))
            _held.Add(message);

        // Not at once: the device is in the middle of something.
        if (!_isServing && !_soon.IsPending)
            Machine.Host.Loop.Schedule(0, _soon);
        return true;
    }

    /// <summary>Looks at all registers once, and deals with some changes.</summary>
    /// <param name="max">How many changes at most.</param>
    /// <returns>How many there were.</returns>
    internal int Serve(int max)
    {
        if (_isServing)
            return 0;
        _isServing = true;
        int done = _port is null ? 0 : Drain(max);
        for (int count = 0; count < _cells.Length; count++)
        {
            if (_next >= _cells.Length)
                _next = 0;
            ulong value = Get(_next);
            if (value != _shadow[_next])
            {
                if (done == max)
                {
                    // The next turn goes on here, so that no register waits for ever behind one that always changes.
                    _poller.Counts.CutOffs++;
                    break;
                }

                Apply(_cells[_next].Offset, _cells[_next].Width, value);
                Put(_next, value);
                _poller.Counts.Changes++;
                done++;
            }

            _next++;
        }

        Publish();
        _isServing = false;
        foreach (MessageInterrupt message in _held)
            Machine.Post(message);
        _held.Clear();
        return done;
    }

    private static bool HasRoomForRing(PolledRegisterMap map, ulong length) =>
        length is >= WriteRing.Start + WriteRing.Length and <= WriteRing.WindowMax
        && map.Cells.Any(static cell => cell.Offset < WriteRing.Start)
        && !map.Cells.Any(static cell => cell.Offset + cell.Width > WriteRing.Start && cell.Offset < WriteRing.Start + WriteRing.Length);

    private static bool IsPolled(PolledRegisterMap map, int page, PolledAccess access)
    {
        PolledCell[] cells = [.. map.Cells.Where(cell => cell.Offset >> 12 == page)];
        return access switch
        {
            PolledAccess.Trapped => false,
            PolledAccess.SafePages => cells.Length != 0 && cells.All(cell => PolledRegisterMap.IsSafe(cell.Class)),
            _ => cells.Length != 0,
        };
    }

    private void Kick()
    {
        _poller.Counts.Kicks++;
        _ = Serve(int.MaxValue);
    }

    private int Drain(int max)
    {
        uint head = GetWord(WriteRing.HeadAt);
        uint tail = GetWord(WriteRing.TailAt);
        if (head - tail > WriteRing.Capacity)
        {
            _poller.Counts.MalformedRings++;
            PutWord(WriteRing.TailAt, head);
            return 0;
        }

        int done = 0;
        for (; tail != head && done < max; tail++, done++)
        {
            int entry = WriteRing.EntryAt(tail);
            uint what = GetWord(entry);
            int offset = (ushort)what;
            int width = (byte)(what >> 16);
            _ = _memory.TryRead(_pages.AddressOf(entry + 8), out ulong value);

            // As on a bus: what is no access behind the BAR reaches nothing.
            if (width is 1 or 2 or 4 or 8 && (ulong)(offset + width) <= _function.BarSize(0))
                ApplyFromRing(offset, width, value & RegisterFile.AllOnes(width));
            _poller.Counts.RingWrites++;
        }

        if (tail != head)
            _poller.Counts.CutOffs++;
        PutWord(WriteRing.TailAt, tail);
        return done;
    }

    // Registers in pages that are not polled, such as the table of MSI-X, are reached as by an access that exits.
    private void ApplyFromRing(int offset, int width, ulong value)
    {
        if (_pages.IsPolled(offset >> 12))
            Apply(offset, width, value);
        else if (_function.DecodedAt(0) is { } start)
            Machine.Bus.Store(new(start + (ulong)offset), width, value);
    }

    private void Apply(int offset, int width, ulong value)
    {
        _function.WriteBar(0, (ulong)offset, width, value);
        Applied?.Invoke(new(offset, width, value, Machine.Host.Loop.NowNs));
    }

    // Only over what the poller has seen: a write of the guest that came since stays, and is found by the next turn.
    private void Publish()
    {
        for (int index = 0; index < _cells.Length; index++)
        {
            if (_cells[index].Class == RegisterClass.Constant)
                continue;
            ulong value = ValueOf(index);
            if (value != _shadow[index] && Get(index) == _shadow[index])
                Put(index, value);
        }
    }

    private ulong ValueOf(int index)
    {
        PolledCell cell = _cells[index];
        if (cell.Class is RegisterClass.Doorbell or RegisterClass.ZeroDoorbell)
            return Access == PolledAccess.SafePages ? RestingDoorbell : 0;
        return _function.ReadBar(0, (ulong)cell.Offset, cell.Width);
    }

    private ulong Get(int index)
    {
        if (_cells[index].Width == 8)
        {
            _ = _memory.TryRead(_places[index], out ulong whole);
            return whole;
        }

        _ = _memory.TryRead(_places[index], out uint value);
        return value;
    }

    private void Put(int index, ulong value)
    {
        _shadow[index] = value;
        _ = _cells[index].Width == 8 ? _memory.TryWrite(_places[index], value) : _memory.TryWrite(_places[index], (uint)value);
    }

    private uint GetWord(int offset)
    {
        _ = _memory.TryRead(_pages.AddressOf(offset), out uint value);
        return value;
    }

    private void PutWord(int offset, uint value) => _ = _memory.TryWrite(_pages.AddressOf(offset), value);

    private void OpenRing()
    {
        _port = (ushort)(FirstPort + _function.Source.Device);
        Machine.Bus.AddPorts(_port.Value, 1, this);
        PutWord(WriteRing.SignatureAt, WriteRing.Signature);
        PutWord(WriteRing.CapacityAt, WriteRing.Capacity);
        PutWord(WriteRing.PortAt, _port.Value);
    }

    // As firmware would: places where the guest finds the registers, until it moves them.
    private void PlaceBars(SourceId place)
    {
        Machine.Pci.Add(_function, place.Device);
        foreach (PciBarInfo bar in PciBarSizing.Read(new FunctionAccess(_function), place))
        {
            if (!Machine.BarPlaces.TryTake(bar.Length, out ulong address))
            {
                GiveBack();
                throw new InvalidOperationException($"{Machine.Name} has no room for the registers of a device.");
            }

            _bars.Add(address);
            Machine.Pci.WriteConfiguration(place, PciOffset.Bar0 + (4 * bar.Index), 4, (uint)address);
        }
    }

    private void GiveBack()
    {
        _pages.Close();
        Machine.Pci.Root.Remove(_function);
        foreach (ulong bar in _bars)
            Machine.BarPlaces.Return(bar);
        _bars.Clear();
    }

    private sealed class FunctionAccess(PciFunction function) : IConfigurationAccess
    {
        public uint Read(int offset, int width) => function.Configuration.Read(offset, width);

        public void Write(int offset, int width, uint value) => function.Configuration.Write(offset, width, value);
    }
}
