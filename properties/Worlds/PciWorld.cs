using Dma.Machine;

namespace Dma.Properties;

/// <summary>A machine with a PCI root, memory without remapping, and a list of the interrupt messages that arrived.</summary>
internal sealed class PciWorld : IInterruptSink, IInterruptPins, IDmaFabric, IDisposable
{
    /// <summary>Where the configuration window begins.</summary>
    public const ulong Ecam = 0xB000_0000;

    private const ulong MemoryBytes = 0x1000_0000;

    private readonly DirectFabric _fabric;

    public PciWorld()
    {
        Memory = new(MemoryBytes);
        Bus = new(Memory);
        _fabric = new(Memory, this);
        Host = new(Bus, this, this);
        Host.MapEcam(new(Ecam), 0, 255);
    }

    public PhysicalMemory Memory { get; }

    public SystemBus Bus { get; }

    public PciHost Host { get; }

    /// <summary>The messages that arrived, oldest first.</summary>
    public List<MessageInterrupt> Messages { get; } = [];

    /// <summary>The source-ids for which a port was opened, oldest first.</summary>
    public List<SourceId> Opened { get; } = [];

    /// <summary>The levels of the four INTx lines.</summary>
    public bool[] Lines { get; } = new bool[PciHost.Lines];

    public void Deliver(MessageInterrupt message) => Messages.Add(message);

    public void SetLevel(int pin, bool asserted)
    {
        Assert.NotEqual(asserted, Lines[pin]);
        Lines[pin] = asserted;
    }

    public IDmaPort Open(SourceId source)
    {
        Opened.Add(source);
        return _fabric.Open(source);
    }

    /// <summary>Adds a function to bus 0.</summary>
    public T Add<T>(T function, int device, int number = 0)
        where T : PciFunction
    {
        Host.Add(function, device, number);
        return function;
    }

    public uint Read(SourceId target, int offset, int width) => Host.ReadConfiguration(target, offset, width);

    public void Write(SourceId target, int offset, int width, uint value) => Host.WriteConfiguration(target, offset, width, value);

    public void Command(SourceId target, PciCommand command) => Write(target, PciOffset.Command, 2, (uint)command);

    /// <summary>Reads by address and data port.</summary>
    public uint ReadByPorts(SourceId target, int offset, int width)
    {
        Bus.Out(0xCF8, 4, 0x8000_0000 | ((uint)target.Value << 8) | ((uint)offset & 0xFC));
        return Bus.In((ushort)(0xCFC + (offset & 3)), width);
    }

    public ulong LoadEcam(SourceId target, int offset, int width) =>
        Bus.Load(new(Ecam + ((ulong)target.Value << 12) + (ulong)offset), width);

    public void StoreEcam(SourceId target, int offset, int width, ulong value) =>
        Bus.Store(new(Ecam + ((ulong)target.Value << 12) + (ulong)offset), width, value);

    /// <summary>Gives a bridge its bus numbers and a memory window, and turns it on.</summary>
    public void Program(SourceId bridge, byte secondary, byte subordinate, uint windowFirst, uint windowLast)
    {
        Write(bridge, PciOffset.PrimaryBus, 1, bridge.Bus);
        Write(bridge, PciOffset.SecondaryBus, 1, secondary);
        Write(bridge, PciOffset.SubordinateBus, 1, subordinate);
        Write(bridge, PciOffset.MemoryBase, 2, windowFirst >> 16);
        Write(bridge, PciOffset.MemoryLimit, 2, windowLast >> 16);
        Write(bridge, PciOffset.PrefetchableBase, 4, 0x0000_FFF0);
        Command(bridge, PciCommand.MemorySpace | PciCommand.BusMaster);
    }

    public void Dispose() => Memory.Dispose();
}
