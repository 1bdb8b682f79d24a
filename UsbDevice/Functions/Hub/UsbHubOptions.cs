namespace Dma.UsbDevice;

/// <summary>How a hub is built.</summary>
public sealed record UsbHubOptions
{
    /// <summary>Downstream ports, 1 to 15.</summary>
    public int PortCount { get; init; } = 4;

    /// <summary>High speed, or full speed for a hub of USB 1.1, which only repeats.</summary>
    public UsbSpeed Speed { get; init; } = UsbSpeed.High;

    /// <summary>Whether each port can have a transaction translator of its own, once the host chooses that alternate setting.</summary>
    public bool HasManyTranslators { get; init; }

    /// <summary>Control and bulk transactions that a translator can hold, at least 2.</summary>
    public int NonPeriodicBuffers { get; init; } = 2;

    /// <summary>What a translator needs between two transactions, less one, in units of 8 full-speed bit times; 0 to 3.</summary>
    public int ThinkTime { get; init; }

    /// <summary>Whether the power of each port is switched alone; where not, that of all of them together.</summary>
    public bool SwitchesPortsAlone { get; init; } = true;

    /// <summary>How long a port takes from power on to power good, in units of 2 ms.</summary>
    public byte PowerOnToPowerGood { get; init; } = 10;

    /// <summary>Whether the hub has a supply of its own.</summary>
    public bool IsSelfPowered { get; init; } = true;

    /// <summary>Whether the ports have lights that software switches.</summary>
    public bool HasIndicators { get; init; }

    /// <summary>The ports whose device is built in, a bit each from bit 1 on.</summary>
    public ushort BuiltIn { get; init; }
}
