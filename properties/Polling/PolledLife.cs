using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>One VM of several that have one poller, and those that come in its place: what its software does, and what it and its device are like after each step.</summary>
/// <param name="host">The host.</param>
/// <param name="poller">The poller.</param>
/// <param name="number">Which VM.</param>
/// <param name="access">How its registers are polled.</param>
/// <param name="limitNs">How long a store may take that has so many before it, in nanoseconds.</param>
internal sealed class PolledLife(Host host, RegisterPoller poller, int number, PolledAccess access, Func<int, ulong> limitNs)
{
    private const byte Vector = 0x40;
    private const ulong MemoryBytes = 1 << 18;
    private const ulong OverMemory = 0x4000;
    private const ulong Elsewhere = 0x10_0000;
    private const uint BusMaster = 4;
    private const int Causes = 8;
    private static readonly SourceId s_place = new(0, 4, 0);
    private static readonly int[] s_safe = [ClassDevice.Plain, ClassDevice.Order, ClassDevice.Pointer, ClassDevice.Pointer + 4, ClassDevice.Doorbell];
    private static readonly int[] s_any = [.. s_safe, ClassDevice.Cause, ClassDevice.ZeroDoorbell];

    private readonly PolledExpectation _expected = new(access, limitNs);
    private readonly List<(ClassDevice Device, int Writes)> _gone = [];
    private ClassDevice _device = null!;
    private PciDevice _opened = null!;
    private IRegisterWindow _window = null!;
    private ulong _first;
    private ulong _at;
    private bool _isNonsense;
    private int? _cause;
    private uint? _shown;

    /// <summary>The VM that runs, or the last one that did.</summary>
    public VirtualMachine Machine { get; private set; } = null!;

    /// <summary>Its registers; null where it has no device.</summary>
    public PolledRegisters? Polled { get; private set; }

    /// <summary>Where it decodes them; null where it does not.</summary>
    public ulong? DecodedAt => Polled is null ? null : _device.DecodedAt(0);

    /// <summary>What the VM and its device were like after each step.</summary>
    public List<string> Transcript { get; } = [];

    /// <summary>Stores of it that its device did not get yet.</summary>
    public int Waiting => _expected.Waiting;

    /// <summary>Stores that arrived.</summary>
    public int Arrived => _expected.Arrived;

    /// <summary>Stores of its software that went where no registers are, or not any more.</summary>
    public int Strays { get; private set; }

    /// <summary>Exits of its software since a ring was full.</summary>
    public int Exits { get; private set; }

    /// <summary>Starts a VM, with a device.</summary>
    public void Start()
    {
        Machine = host.CreateMachine($"VM {number}", MemoryBytes);
        PlugIn();
    }

    /// <summary>A step of its own begins; before it, all that was stored has had its time.</summary>
    public void Begin(PolledStep step)
    {
        Random random = new(step.Seed);
        if (step.Act == PolledAct.Life)
            EndOrStart(random);
        else if (Machine.IsRunning)
            Take(step.Act, random);
    }

    /// <summary>Its software stores a few values, as it does while others have their steps.</summary>
    public void GoOn(Random random) => Store(random, random.Next(6) == 0 ? 40 : random.Next(3), s_safe);

    /// <summary>A step is over, its own or that of another VM, and all that was stored has had its time.</summary>
    public void End()
    {
        Assert.Empty(_expected.Wrongs);
        Assert.Equal(0, _expected.Waiting);
        Assert.All(_gone, static gone => Assert.Equal(gone.Writes, gone.Device.Writes.Count));
        if (_cause is { } cause && IsPolled)
            Assert.True(_shown is { } shown && (shown >> cause & 1) != 0, $"An interrupt came, and cause {cause} was not in memory: {_shown:X}h.");
        Transcript.Add(Look());
        (_cause, _shown) = (null, null);
        if (_isNonsense)
            Open();
        _isNonsense = false;
    }

    private bool IsPolled => Polled is { MappedPages: 1 };

    private void Take(PolledAct act, Random random)
    {
        switch (act)
        {
            case PolledAct.Stores:
                Store(random, random.Next(1, 9), access == PolledAccess.WriteRing ? s_any : s_safe);
                break;
            case PolledAct.Flood:
                Store(random, (2 * WriteRing.Capacity) + random.Next(20), s_safe);
                break;
            case PolledAct.Plug when Polled is null:
                PlugIn();
                break;
            case PolledAct.Plug:
                Store(random, random.Next(4), s_safe);
                Polled.Unplug();
                Leave(Polled);
                break;
            default:
                if (Polled is not null)
                    Change(act, random);
                break;
        }
    }

    private void Change(PolledAct act, Random random)
    {
        switch (act)
        {
            case PolledAct.Nonsense:
                FillRing(random);
                break;
            case PolledAct.Happen:
                Happen(random.Next(Causes));
                break;
            case PolledAct.Reset:
                _device.ResetFunction();
                _expected.Forget();
                _opened.Configuration.Write(PciOffset.Bar0, sizeof(uint), (uint)_first);
                Open();
                break;
            case PolledAct.Move:
                // What is under way arrives wherever the page is.
                Store(random, random.Next(4), s_safe);
                ulong[] places = [_first, _first + Elsewhere, _first + (2 * Elsewhere), OverMemory];
                _opened.Configuration.Write(PciOffset.Bar0, sizeof(uint), (uint)places[random.Next(places.Length)]);
                if (DecodedAt is not null)
                    Open();
                break;
            default:
                Store(random, random.Next(4), s_safe);
                if (DecodedAt is null)
                    Open();
                else
                    _opened.Configuration.Write(PciOffset.Command, sizeof(ushort), BusMaster);
                break;
        }
    }

    private void EndOrStart(Random random)
    {
        if (!Machine.IsRunning)
        {
            Start();
            return;
        }

        Store(random, random.Next(4), s_safe);
        PolledRegisters? polled = Polled;
        host.Loop.Run(() => host.Destroy(Machine).AsTask());
        if (polled is not null)
            Leave(polled);
    }

    private void PlugIn()
    {
        _device = new();
        Polled = poller.Plug(Machine, _device, s_place, access, ClassDevice.Map());
        Polled.Applied = write =>
        {
            if (!_isNonsense)
                _expected.Applied(write);
        };
        Open();
        _first = _at;
    }

    // Its software has a window that leads nowhere now, and goes on with it.
    private void Leave(PolledRegisters polled)
    {
        _gone.Add((_device, _device.Writes.Count));
        _expected.Forget();
        polled.Applied = write => _expected.Wrongs.Add($"{write} came to a device that was given back.");
        Polled = null;
    }

    private void Open()
    {
        IdentityDmaSpace memory = new(Machine.Cpu, new(new(MemoryBytes / 2), MemoryBytes / 2));
        _opened = PciDevice.Open(Machine.Cpu, new PciConfigurationPorts(Machine.Cpu), s_place, memory, Vector);
        _window = new ExitlessDevice(Machine.Cpu, _opened).OpenBar(0);
        _at = DecodedAt!.Value;
    }

    private void Store(Random random, int count, int[] offsets)
    {
        for (; count > 0 && Machine.IsRunning; count--)
        {
            int offset = offsets[random.Next(offsets.Length)];
            uint value = (uint)random.Next(offset == ClassDevice.Doorbell ? 1 : 0, 6);
            bool isPolled = IsPolled;

            // H4: only a store into a full ring leaves the guest.
            int exits = isPolled && access == PolledAccess.WriteRing && Waiting == WriteRing.Capacity ? 1 : 0;
            ulong before = Machine.Cpu.Processor.Meter[Cost.Exit];
            _window.Write32(offset, value);
            if (!isPolled)
            {
                Strays++;
                continue;
            }

            Assert.Equal(exits, (int)(Machine.Cpu.Processor.Meter[Cost.Exit] - before));
            Exits += exits;
            _expected.Stored(offset, value, host.Loop.NowNs);
        }
    }

    // All but where the ring is, how long it is and whom to ask: with these its software would find its way no more.
    private void FillRing(Random random)
    {
        _isNonsense = true;
        uint tail = (uint)random.NextInt64(1L << 32);
        bool isPlausible = random.Next(2) == 0;
        uint head = isPlausible ? tail + (uint)random.Next(WriteRing.Capacity + 4) : (uint)random.NextInt64(1L << 32);
        for (int offset = 0x20; offset < WriteRing.Length; offset += sizeof(ulong))
            Machine.Cpu.Store(new(_at + WriteRing.Start + (ulong)offset), sizeof(ulong), (ulong)random.NextInt64());
        Machine.Cpu.Store(new(_at + WriteRing.TailAt), sizeof(uint), tail);
        Machine.Cpu.Store(new(_at + WriteRing.HeadAt), sizeof(uint), head);
    }

    // H5: the moment at which the interrupt comes is the one that counts.
    private void Happen(int cause)
    {
        Signal signal = Machine.Cpu.Gates.Connect(Vector);
        signal.Clear();
        _cause = cause;
        GuestPhysicalAddress at = new(_at + ClassDevice.Cause);
        GuestCpu cpu = Machine.Cpu;
        host.Loop.Start(async () =>
        {
            if (await signal.Wait(limitNs(0)))
                _shown = (uint)cpu.Load(at, sizeof(uint));
        });
        _device.Happen(cause);
    }

    private string Look()
    {
        if (!Machine.IsRunning)
            return "ended";
        ulong[] registers = [.. ClassDevice.Map().Cells.Select(cell => Machine.Cpu.Load(new(_at + (ulong)cell.Offset), cell.Width))];
        string shown = string.Join(' ', registers.Select(static register => $"{register:X}"));
        if (Polled is null)
        {
            Assert.All(registers, register => Assert.True(_at == OverMemory || register == uint.MaxValue));
            return "no device";
        }

        // Where memory is compared, how many stores became one depends on the moment.
        ulong writes = access == PolledAccess.WriteRing
            ? _device.Writes.Aggregate((ulong)_device.Writes.Count, static (sum, write) => (sum * 31) + ((ulong)write.Offset << 32) + write.Value)
            : 0;
        return $"{_device.State}, {writes:X}, {_shown:X} at {DecodedAt:X}: {shown}";
    }
}
