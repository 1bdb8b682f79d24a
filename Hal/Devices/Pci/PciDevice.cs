using Dma.Machine;

namespace Dma.Hal;

/// <summary>A PCI function made ready for a driver: its windows found, its interrupt routed to this processor, decoding and bus mastering on.</summary>
public sealed class PciDevice : IDevice
{
    private const ushort NoVendor = 0xFFFF;
    private const int LayoutMask = 0x7F;

    private readonly ICpu _cpu;
    private readonly SourceId _location;
    private readonly IReadOnlyList<PciBarInfo> _bars;
    private readonly PciMessageInterrupt _interrupt;
    private readonly PciFunctionReset? _reset;

    private PciDevice(ICpu cpu, IConfigurationAccess configuration, SourceId location, IDmaSpace dma, byte vector, MessageInterrupt message)
    {
        _cpu = cpu;
        _location = location;
        Configuration = configuration;
        Dma = dma;
        _bars = PciBarSizing.Read(configuration, location);
        _interrupt = new(cpu, configuration, location, _bars, vector, message);
        _reset = PciFunctionReset.TryFind(cpu, configuration, location);
    }

    /// <inheritdoc/>
    public IConfigurationAccess Configuration { get; }

    /// <summary>Where it is on the bus.</summary>
    public SourceId Location => _location;

    /// <summary>Its base address registers.</summary>
    public IReadOnlyList<PciBarInfo> Bars => _bars;

    /// <inheritdoc/>
    public IInterruptLine Interrupt => _interrupt;

    /// <inheritdoc/>
    public IDmaSpace Dma { get; }

    /// <inheritdoc/>
    public Processor Processor => _cpu.Processor;

    /// <summary>Whether <see cref="Reset"/> is possible.</summary>
    public bool CanReset => _reset is not null;

    /// <summary>Opens a function for a driver.</summary>
    /// <param name="cpu">The processor that the driver runs on.</param>
    /// <param name="configuration">The way to configuration space.</param>
    /// <param name="location">Where the function is.</param>
    /// <param name="dma">Memory that it can reach.</param>
    /// <param name="vector">The vector of this processor that its interrupt raises, 16 to 255.</param>
    /// <param name="message">What it sends to raise it, where interrupts are remapped; null for the message that names the vector itself.</param>
    /// <exception cref="DeviceException">Nothing answers there, it is a bridge, it has neither MSI nor MSI-X, or its configuration space is malformed.</exception>
    public static PciDevice Open(ICpu cpu, IPciConfiguration configuration, SourceId location, IDmaSpace dma, byte vector, MessageInterrupt? message = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vector, (byte)16);
        IConfigurationAccess space = configuration.Open(location);
        if (space.Read16(PciOffset.VendorId) == NoVendor)
            throw new DeviceException($"No device answers at {location}.");
        int layout = space.Read8(PciOffset.HeaderType) & LayoutMask;
        if (layout != 0)
            throw new DeviceException($"What answers at {location} is no device: its header has layout {layout}.");
        PciDevice device = new(cpu, space, location, dma, vector, message ?? MessageInterrupt.To(cpu.ApicId, vector));
        device.TurnOn();
        return device;
    }

    /// <inheritdoc/>
    public IRegisterWindow OpenBar(int bar)
    {
        foreach (PciBarInfo info in _bars)
        {
            if (info.Index != bar)
                continue;
            if (info.Kind == PciBarKind.Io)
                throw new DeviceException($"BAR {bar} of {_location} decodes I/O ports, not memory.");
            if (info.Address.Value == 0)
                throw new DeviceException($"BAR {bar} of {_location} has no address; firmware did not give it one.");
            return new RegisterWindow(_cpu, info.Address, info.Length);
        }

        throw new DeviceException($"The device at {_location} has no BAR {bar}.");
    }

    /// <summary>Resets the function alone, and brings its configuration back: it is as after <see cref="Open"/>, and does nothing.</summary>
    /// <exception cref="DeviceException">It cannot be reset, or did not come back.</exception>
    public async ValueTask Reset()
    {
        if (_reset is null)
            throw new DeviceException($"The device at {_location} has no function-level reset.");
        await _reset.Perform();
        foreach (PciBarInfo bar in _bars)
        {
            int offset = PciOffset.Bar0 + (4 * bar.Index);
            Configuration.Write32(offset, (uint)bar.Address.Value);
            if (bar.Is64Bit)
                Configuration.Write32(offset + 4, (uint)(bar.Address.Value >> 32));
        }

        TurnOn();
    }

    /// <summary>Stops it from reaching memory, raising interrupts and answering.</summary>
    public void Close()
    {
        Change(PciCommand.None, PciCommand.BusMaster);
        _interrupt.TurnOff();
        Change(PciCommand.InterruptDisable, PciCommand.MemorySpace);
    }

    private void TurnOn()
    {
        // Windows first, since the table of MSI-X lies behind one; bus mastering last.
        Change(PciCommand.MemorySpace | PciCommand.InterruptDisable, PciCommand.None);
        _interrupt.TurnOn();
        Change(PciCommand.BusMaster, PciCommand.None);
    }

    private void Change(PciCommand on, PciCommand off)
    {
        PciCommand command = (PciCommand)Configuration.Read16(PciOffset.Command);
        Configuration.Write16(PciOffset.Command, (ushort)((command | on) & ~off));
    }
}
