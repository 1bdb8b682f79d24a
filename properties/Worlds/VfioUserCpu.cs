using Dma.Hal;
using Dma.Machine;
using Microsoft.Win32.SafeHandles;

namespace Dma.Properties;

/// <summary>The processor of a virtual machine that has a function by vfio-user: registers go over the socket, memory is its own.</summary>
/// <remarks>
/// Each of its ticks lasts as long as one of the server at least, so that a server which is held up is not taken for a
/// broken device. Meanwhile it does what the server asks of its memory, and events that were signalled raise its vector.
/// </remarks>
internal sealed class VfioUserCpu : ICpu, IPciConfiguration, IConfigurationAccess
{
    private const ulong TickNs = 1_000_000;
    private const uint Configuration = 7;
    private const byte Id = 0;

    private readonly VfioUserWire _wire;
    private readonly PhysicalMemory _memory;
    private readonly SafeFileHandle _event;
    private readonly byte _vector;
    private readonly InterruptRouter _interrupts;
    private readonly ScheduledEvent _tick;
    private readonly Func<ulong> _serverNowNs;

    /// <summary>A processor.</summary>
    /// <param name="wire">The way to the server.</param>
    /// <param name="memory">Its memory.</param>
    /// <param name="signalled">What interrupts of the function signal.</param>
    /// <param name="vector">The vector that they raise.</param>
    /// <param name="serverNowNs">The virtual time of the server.</param>
    public VfioUserCpu(VfioUserWire wire, PhysicalMemory memory, SafeFileHandle signalled, byte vector, Func<ulong> serverNowNs)
    {
        (_wire, _memory, _event, _vector) = (wire, memory, signalled, vector);
        _serverNowNs = serverNowNs;
        _interrupts = new(Loop);
        Processor = new("client", Loop, CostModel.Default);
        _tick = new(Tick);
        Loop.Schedule(TickNs, _tick);
    }

    public static SourceId Place { get; } = new(0, 4, 0);

    public EventLoop Loop { get; } = new();

    public Processor Processor { get; }

    public byte ApicId => Id;

    /// <summary>How many interrupts came.</summary>
    public ulong Interrupts { get; private set; }

    public bool TryRead(GuestPhysicalAddress address, Span<byte> destination) => _memory.TryRead(new PhysicalAddress(address.Value), destination);

    public bool TryWrite(GuestPhysicalAddress address, ReadOnlySpan<byte> source) => _memory.TryWrite(new PhysicalAddress(address.Value), source);

    public ulong Load(GuestPhysicalAddress address, int width) => _wire.Read(0, address.Value - Bar, width);

    public void Store(GuestPhysicalAddress address, int width, ulong value) => _wire.Write(0, address.Value - Bar, width, (uint)value);

    public uint In(ushort port, int width) => uint.MaxValue;

    public void Out(ushort port, int width, uint value)
    {
    }

    public Signal Vector(byte vector) => _interrupts.Connect(Id, vector);

    IConfigurationAccess IPciConfiguration.Open(SourceId function) => function == Place ? this : new Nobody();

    uint IConfigurationAccess.Read(int offset, int width) => _wire.Read(Configuration, (ulong)offset, width);

    void IConfigurationAccess.Write(int offset, int width, uint value) => _wire.Write(Configuration, (ulong)offset, width, value);

    private ulong Bar => _wire.Read(Configuration, PciOffset.Bar0, 4) & ~0xFul;

    private void Tick()
    {
        ulong before = _serverNowNs();
        do
        {
            // A server that has nothing to do looks at the clock when somebody asks it something.
            _ = _wire.Read(Configuration, 0, 4);
            _wire.Serve(TimeSpan.FromMilliseconds(1));
        }
        while (_serverNowNs() - before < TickNs);

        ulong count = VfioUserBench.Count(_event);
        Interrupts += count;
        if (count != 0)
            _interrupts.Deliver(MessageInterrupt.To(Id, _vector));
        Loop.Schedule(TickNs, _tick);
    }

    private sealed class Nobody : IConfigurationAccess
    {
        public uint Read(int offset, int width) => (uint)RegisterFile.AllOnes(width);

        public void Write(int offset, int width, uint value)
        {
        }
    }
}
