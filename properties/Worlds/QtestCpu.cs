using Dma.Hal;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>A processor at the other end of a socket: what software on it does to memory and registers goes over the protocol.</summary>
/// <remarks>Its own time and that of the machine go hand in hand, a tick at a time; messages that arrive meanwhile raise its vectors.</remarks>
internal sealed class QtestCpu : ICpu
{
    private const ulong TickNs = 50_000;
    private const byte Id = 0;

    private readonly QtestWire _wire;
    private readonly InterruptRouter _interrupts;
    private readonly ScheduledEvent _tick;

    public QtestCpu(QtestWire wire)
    {
        _wire = wire;
        _interrupts = new(Loop);
        Processor = new("qtest", Loop, CostModel.Default);
        _tick = new(Tick);
        Loop.Schedule(TickNs, _tick);
    }

    public EventLoop Loop { get; } = new();

    public Processor Processor { get; }

    public byte ApicId => Id;

    public bool TryRead(GuestPhysicalAddress address, Span<byte> destination)
    {
        if (destination.Length != 0)
            Convert.FromBase64String(_wire.Do($"b64read 0x{address.Value:x} {destination.Length}")).CopyTo(destination);
        return true;
    }

    public bool TryWrite(GuestPhysicalAddress address, ReadOnlySpan<byte> source)
    {
        if (source.Length != 0)
            _ = _wire.Do($"write 0x{address.Value:x} {source.Length} 0x{Convert.ToHexString(source)}");
        return true;
    }

    public ulong Load(GuestPhysicalAddress address, int width) => _wire.Number($"read{Letter(width)} 0x{address.Value:x}");

    public void Store(GuestPhysicalAddress address, int width, ulong value) => _ = _wire.Do($"write{Letter(width)} 0x{address.Value:x} 0x{value:x}");

    public uint In(ushort port, int width) => (uint)_wire.Number($"in{Letter(width)} 0x{port:x}");

    public void Out(ushort port, int width, uint value) => _ = _wire.Do($"out{Letter(width)} 0x{port:x} 0x{value:x}");

    public Signal Vector(byte vector) => _interrupts.Connect(Id, vector);

    private static char Letter(int width) => width switch
    {
        1 => 'b',
        2 => 'w',
        4 => 'l',
        _ => 'q',
    };

    private void Tick()
    {
        _ = _wire.Do($"clock_step {TickNs}");
        foreach ((ulong address, uint data) in _wire.TakeMessages())
            _interrupts.Deliver(new(address, data));
        Loop.Schedule(TickNs, _tick);
    }
}
