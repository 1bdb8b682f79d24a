namespace Dma.Machine;

/// <summary>The root of a PCI hierarchy: bus 0, the processors' ways into configuration space, and the way of DMA out of it.</summary>
/// <remarks>
/// Configuration space is reached at ports CF8h to CFFh, and through a window of the system bus where
/// <see cref="MapEcam"/> put one. BARs appear on the system bus by themselves as software programs them.
/// </remarks>
public sealed class PciHost
{
    /// <summary>How many INTx lines leave the root bus.</summary>
    public const int Lines = 4;

    private readonly int[] _driven = new int[Lines];
    private readonly IInterruptPins? _pins;
    private readonly ConfigurationPorts _ports;

    /// <summary>A root bus with nothing on it.</summary>
    /// <param name="bus">Where processors reach its ports and the windows of its functions.</param>
    /// <param name="fabric">What stands between its functions and memory.</param>
    /// <param name="pins">Where its four INTx lines end, as pins 0 to 3; null where nothing listens.</param>
    public PciHost(SystemBus bus, IDmaFabric fabric, IInterruptPins? pins = null)
    {
        (SystemBus, Fabric, _pins) = (bus, fabric, pins);
        Root = new(this);
        _ports = new(this);
        bus.AddPorts(ConfigurationPorts.First, ConfigurationPorts.Length, _ports);
    }

    /// <summary>Bus 0.</summary>
    public PciBus Root { get; }

    internal SystemBus SystemBus { get; }

    internal IDmaFabric Fabric { get; }

    /// <summary>Plugs a function into bus 0.</summary>
    /// <inheritdoc cref="PciBus.Add(PciFunction, int, int)"/>
    public void Add(PciFunction function, int device, int functionNumber = 0) => Root.Add(function, device, functionNumber);

    /// <summary>The function that configuration requests for a source-id reach now, or null.</summary>
    public PciFunction? Find(SourceId target) => Root.Find(target);

    /// <summary>Reads configuration space; all ones where no function answers.</summary>
    /// <param name="target">Bus, device and function, as software numbered them.</param>
    /// <param name="offset">0 to 4095.</param>
    /// <param name="width">1, 2 or 4 bytes.</param>
    public uint ReadConfiguration(SourceId target, int offset, int width) =>
        Root.Find(target)?.Configuration.Read(offset, width) ?? (uint)RegisterFile.AllOnes(width);

    /// <summary>Writes configuration space; nothing happens where no function answers.</summary>
    /// <inheritdoc cref="ReadConfiguration(SourceId, int, int)"/>
    public void WriteConfiguration(SourceId target, int offset, int width, uint value) =>
        Root.Find(target)?.Configuration.Write(offset, width, value);

    /// <summary>Shows configuration space on the system bus, 4 KiB for each function (PCI Express base, 7.2.2).</summary>
    /// <param name="start">Where bus 0 would lie, as the MCFG table says it.</param>
    /// <param name="startBus">The first bus that is shown.</param>
    /// <param name="endBus">The last bus that is shown.</param>
    public void MapEcam(PhysicalAddress start, byte startBus, byte endBus)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(startBus, endBus);
        SystemBus.AddWindow(
            start + ((ulong)startBus << EcamWindow.BusShift), (ulong)(endBus - startBus + 1) << EcamWindow.BusShift, new EcamWindow(this, startBus));
    }

    /// <summary>Whether an INTx line is asserted by any function.</summary>
    /// <param name="line">0 to 3.</param>
    public bool IsLineAsserted(int line) => _driven[line] != 0;

    /// <summary>Resets every function and the configuration ports, as a platform reset does.</summary>
    public void Reset()
    {
        _ports.Reset();
        Root.Reset();
    }

    internal void DriveLine(int line)
    {
        if (_driven[line]++ == 0)
            _pins?.SetLevel(line, true);
    }

    internal void ReleaseLine(int line)
    {
        if (--_driven[line] == 0)
            _pins?.SetLevel(line, false);
    }
}
