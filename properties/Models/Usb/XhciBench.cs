using System.Runtime.InteropServices;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A machine with nothing but memory and an xHCI controller, and helpers that drive its rings by hand.</summary>
/// <remarks>Structures and buffers are handed out from low memory upward and never given back.</remarks>
internal sealed class XhciBench : IDisposable
{
    public const ulong MemoryBytes = 128 << 20;
    public const ulong ContextArray = 0x2000;
    public const int EventRingTrbs = 256;

    private const int Operational = 0x40;
    private const int Runtime = 0x1000;
    private const int Doorbells = 0x2000;
    private const int PciCommandAt = 0x04;
    private const ushort MasterAndMemory = 0b110;

    private readonly Dictionary<int, (ulong Address, bool Cycle)> _eventCursors = [];
    private readonly Dictionary<int, ulong> _eventRings = [];
    private readonly bool _ownsMemory;
    private InterruptRouter? _router;
    private XhciTestRing? _commands;
    private ulong _free = 0x10_0000;

    public XhciBench(XhciOptions? options = null, Func<IDmaFabric, IDmaFabric>? wrap = null, PhysicalMemory? memory = null)
    {
        (Memory, _ownsMemory) = (memory ?? new(MemoryBytes), memory is null);
        DirectFabric direct = new(Memory, Router);
        Host = new(new SystemBus(Memory), wrap?.Invoke(direct) ?? direct);
        Controller = new(Loop, options ?? new());
        Host.Add(Controller, 0x14);
        Master(true);
    }

    public PhysicalMemory Memory { get; }

    public EventLoop Loop { get; } = new();

    public InterruptRouter Router => _router ??= new(Loop);

    public PciHost Host { get; }

    public XhciController Controller { get; }

    public XhciTestRing Commands => _commands ??= new(this);

    /// <summary>All events that were drained, of all interrupters, in order.</summary>
    public List<Trb> Events { get; } = [];

    public int Stride => Controller.Options.Contexts64Byte ? 64 : 32;

    public XhciStatus Status => new(new((uint)ReadRegister(XhciOperationalOffsets.Status)));

    public void Dispose()
    {
        if (_ownsMemory)
            Memory.Dispose();
    }

    public void Master(bool isOn) => Controller.Configuration.Write(PciCommandAt, 2, isOn ? MasterAndMemory : 0u);

    public ulong ReadRegister(int operational, int width = 4) => Controller.ReadBar(0, (ulong)(Operational + operational), width);

    public void WriteRegister(int operational, ulong value, int width = 4) => Controller.WriteBar(0, (ulong)(Operational + operational), width, value);

    public ulong ReadRuntime(int offset, int width = 4) => Controller.ReadBar(0, (ulong)(Runtime + offset), width);

    public void WriteRuntime(int offset, ulong value, int width = 4) => Controller.WriteBar(0, (ulong)(Runtime + offset), width, value);

    public static int Interrupter(int index, int register) => XhciRuntimeOffsets.FirstInterrupter + (index * XhciRuntimeOffsets.InterrupterStride) + register;

    public void Doorbell(int slot, int target, int stream = 0) =>
        Controller.WriteBar(0, (ulong)(Doorbells + (4 * slot)), 4, new XhciDoorbell { Target = (byte)target, Stream = (ushort)stream }.Raw.Value);

    public XhciPortStatusControl Port(int number) => new(new((uint)ReadRegister(PortAt(number))));

    /// <summary>Writes PORTSC with the power on and no change bit cleared.</summary>
    public void WritePort(int number, XhciPortStatusControl value) => WriteRegister(PortAt(number), (value with { Power = true }).Raw.Value);

    public static int PortAt(int number) => XhciOperationalOffsets.FirstPort + (XhciOperationalOffsets.PortStride * (number - 1));

    public ulong Take(int bytes, int alignment = 64)
    {
        _free = (_free + (ulong)alignment - 1) & ~((ulong)alignment - 1);
        ulong at = _free;
        _free += (ulong)bytes;
        Assert.True(_free < MemoryBytes);
        return at;
    }

    public T Read<T>(ulong address)
        where T : unmanaged
    {
        Assert.True(Memory.TryRead(new PhysicalAddress(address), out T value));
        return value;
    }

    public void Write<T>(ulong address, in T value)
        where T : unmanaged => Assert.True(Memory.TryWrite(new(address), MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value))));

    public byte[] ReadBytes(ulong address, int count)
    {
        byte[] bytes = new byte[count];
        Assert.True(Memory.TryRead(new(address), bytes));
        return bytes;
    }

    public void WriteBytes(ulong address, ReadOnlySpan<byte> bytes) => Assert.True(Memory.TryWrite(new(address), bytes));

    /// <summary>Gives an interrupter an event ring of some segments.</summary>
    public void GiveEventRing(int interrupter, int trbs = EventRingTrbs, int segments = 1)
    {
        ulong table = Take(16 * segments);
        ulong first = 0;
        for (int index = 0; index < segments; index++)
        {
            ulong segment = Take(trbs * Trb.Size, 0x1000);
            for (int at = 0; at < trbs; at++)
                Write(segment + (ulong)(at * Trb.Size), default(Trb));
            first = index == 0 ? segment : first;
            Write(table + (ulong)(16 * index), new EventRingSegment { Address = segment, TrbCount = trbs });
        }

        WriteRuntime(Interrupter(interrupter, XhciRuntimeOffsets.TableSize), (ulong)segments);
        WriteRuntime(Interrupter(interrupter, XhciRuntimeOffsets.Dequeue), first, 8);
        WriteRuntime(Interrupter(interrupter, XhciRuntimeOffsets.TableBase), table, 8);
        (_eventRings[interrupter], _eventCursors[interrupter]) = (table, (first, true));
    }

    /// <summary>Sets everything up and lets the controller run.</summary>
    public void Start(int eventTrbs = EventRingTrbs, int segments = 1)
    {
        WriteRegister(XhciOperationalOffsets.Configure, new XhciConfigure { SlotsEnabled = Controller.Options.SlotCount }.Raw.Value);
        WriteRegister(XhciOperationalOffsets.ContextArray, ContextArray, 8);
        int pages = new XhciStructuralParameters2(new((uint)Controller.ReadBar(0, XhciCapabilityOffsets.StructuralParameters2, 4))).ScratchpadCount;
        ulong scratchpads = Take(8 * pages);
        for (int page = 0; page < pages; page++)
            Write(scratchpads + (ulong)(8 * page), Take(4096, 4096));
        Write(ContextArray, scratchpads);
        WriteRegister(XhciOperationalOffsets.CommandRing, Commands.Start | 1, 8);
        GiveEventRing(0, eventTrbs, segments);
        WriteRuntime(Interrupter(0, XhciRuntimeOffsets.Moderation), 0);
        WriteRuntime(Interrupter(0, XhciRuntimeOffsets.Management), new InterrupterManagement { Enable = true }.Raw.Value);
        Run(true);
    }

    public void Run(bool isOn) => WriteRegister(XhciOperationalOffsets.Command, new XhciCommand { Run = isOn, InterruptEnable = true }.Raw.Value);

    /// <summary>Takes all events off the ring of an interrupter, and tells the controller unless asked not to.</summary>
    public List<Trb> Drain(int interrupter = 0, bool tells = true)
    {
        (ulong address, bool cycle) = _eventCursors[interrupter];
        List<Trb> drained = [];
        while (Read<Trb>(address) is var trb && trb.Cycle == cycle)
        {
            drained.Add(trb);
            (address, cycle) = Next(interrupter, address, cycle);
        }

        _eventCursors[interrupter] = (address, cycle);
        if (tells)
            WriteRuntime(Interrupter(interrupter, XhciRuntimeOffsets.Dequeue), address | 8, 8);
        Events.AddRange(drained);
        return drained;
    }

    /// <summary>Runs until an event comes that a condition holds for.</summary>
    public Trb Wait(Func<Trb, bool> condition, ulong limitNs = 1_000_000_000)
    {
        int seen = Events.Count;
        Trb? found = null;
        bool came = Loop.RunUntil(
            () =>
            {
                _ = Drain();
                for (; seen < Events.Count && found is null; seen++)
                    found = condition(Events[seen]) ? Events[seen] : null;
                return found is not null;
            },
            limitNs);
        Assert.True(came, $"No such event; {Events.Count} others, {Status}.");
        return found!.Value;
    }

    /// <summary>Gives a command and waits for its completion.</summary>
    public CommandCompletionEvent Command(Trb command)
    {
        ulong at = Commands.Add(command);
        Doorbell(0, 0);
        return new(Wait(trb => trb.Type == TrbType.CommandCompletion && new CommandCompletionEvent(trb.Raw).Pointer == at).Raw);
    }

    public TransferEvent WaitTransfer(ulong pointer, ulong limitNs = 1_000_000_000) =>
        new(Wait(trb => trb.Type == TrbType.TransferEvent && new TransferEvent(trb.Raw).Pointer == pointer, limitNs).Raw);

    /// <summary>Plugs a device in and brings its port to U0.</summary>
    public void Attach(IUsbDevice device, int port)
    {
        Controller.Ports[port - 1].Plug(device);
        if (Controller.Buses[port - 1].Speed != UsbSpeed.Super)
            WritePort(port, new() { Reset = true });
        Loop.RunFor(60_000_000);
        Assert.True(Port(port) is { Enabled: true, LinkState: PortLinkState.U0 }, $"{Port(port)}");
    }

    /// <summary>An input context: its control context and room for all others.</summary>
    public ulong InputContext(uint add, uint drop = 0)
    {
        ulong at = Take(33 * Stride);
        Write(at, new InputControlContext { AddFlags = add, DropFlags = drop });
        return at;
    }

    public ulong InputAt(ulong input, int index) => input + (ulong)ContextIndex.InputOffset(index, Stride);

    public SlotContext SlotContextOf(int slot) => Read<SlotContext>(Read<ContextPointer>(ContextArray + (ulong)(8 * slot)).Address);

    public EndpointContext EndpointContextOf(int slot, int index) =>
        Read<EndpointContext>(Read<ContextPointer>(ContextArray + (ulong)(8 * slot)).Address + (ulong)ContextIndex.Offset(index, Stride));

    /// <summary>Gives a device a slot and an address.</summary>
    public (int Slot, XhciTestRing Ring) Address(int port, bool blocks = false)
    {
        CommandCompletionEvent enabled = Command(XhciTrbs.EnableSlot());
        Assert.Equal(CompletionCode.Success, enabled.Code);
        int slot = enabled.Slot;
        Write(ContextArray + (ulong)(8 * slot), Take(32 * Stride));
        XhciTestRing ring = new(this);
        ulong input = AddressInput(port, ring);
        CommandCompletionEvent addressed = Command(XhciTrbs.AddressDevice(slot, input, blocks));
        Assert.Equal((CompletionCode.Success, slot), (addressed.Code, addressed.Slot));
        return (slot, ring);
    }

    /// <summary>The input context for Address Device.</summary>
    public ulong AddressInput(int port, XhciTestRing ring)
    {
        PortSpeed speed = Port(port).Speed;
        int packet = speed switch { PortSpeed.Super => 512, PortSpeed.Low => 8, _ => 64 };
        ulong input = InputContext(add: 3);
        Write(InputAt(input, 0), new SlotContext { Speed = speed, RootPort = (byte)port, Entries = 1 });
        Write(InputAt(input, 1), new EndpointContext { Type = XhciEndpointType.Control, MaxPacketSize = packet, ErrorCount = 3, Dequeue = ring.Start, CycleState = true });
        return input;
    }

    /// <summary>An endpoint context for a ring.</summary>
    public static EndpointContext Endpoint(XhciEndpointType type, int packet, ulong ring, int interval = 0, int burst = 0, int errors = 3) => new()
    {
        Type = type,
        MaxPacketSize = packet,
        Interval = interval,
        BurstMax = burst,
        ErrorCount = errors,
        Dequeue = ring,
        CycleState = true,
        AverageLength = packet,
    };

    /// <summary>Adds endpoints to a device.</summary>
    public CompletionCode Configure(int slot, params (int Index, EndpointContext Context)[] endpoints)
    {
        uint add = endpoints.Aggregate(1u, (flags, endpoint) => flags | (1u << endpoint.Index));
        ulong input = InputContext(add);
        Write(InputAt(input, 0), SlotContextOf(slot) with { Entries = endpoints.Max(endpoint => endpoint.Index) });
        foreach ((int index, EndpointContext context) in endpoints)
            Write(InputAt(input, index), context);
        return Command(XhciTrbs.ConfigureEndpoint(slot, input)).Code;
    }

    /// <summary>A device with a slot, an address and one bulk endpoint each way: 1 OUT and 1 IN.</summary>
    public (int Slot, XhciTestRing Control, XhciTestRing Out, XhciTestRing In) Bulk(IUsbDevice device, int port, int burst = 0)
    {
        Attach(device, port);
        (int slot, XhciTestRing control) = Address(port);
        (XhciTestRing toDevice, XhciTestRing toHost) = (new(this), new(this));
        int packet = Controller.Buses[port - 1].Speed == UsbSpeed.Super ? 1024 : Port(port).Speed == PortSpeed.High ? 512 : 64;
        Assert.Equal(CompletionCode.Success, Configure(
            slot,
            (2, Endpoint(XhciEndpointType.BulkOut, packet, toDevice.Start, burst: burst)),
            (3, Endpoint(XhciEndpointType.BulkIn, packet, toHost.Start, burst: burst))));
        return (slot, control, toDevice, toHost);
    }

    private (ulong Address, bool Cycle) Next(int interrupter, ulong address, bool cycle)
    {
        ulong table = _eventRings[interrupter];
        int segments = (int)ReadRuntime(Interrupter(interrupter, XhciRuntimeOffsets.TableSize));
        for (int index = 0; index < segments; index++)
        {
            EventRingSegment segment = Read<EventRingSegment>(table + (ulong)(16 * index));
            ulong end = segment.Address + (ulong)(segment.TrbCount * Trb.Size);
            if (address < segment.Address || address >= end)
                continue;
            if (address + Trb.Size != end)
                return (address + Trb.Size, cycle);
            return index + 1 < segments
                ? (Read<EventRingSegment>(table + (ulong)(16 * (index + 1))).Address, cycle)
                : (Read<EventRingSegment>(table).Address, !cycle);
        }

        throw new InvalidOperationException("The cursor left the ring.");
    }
}
