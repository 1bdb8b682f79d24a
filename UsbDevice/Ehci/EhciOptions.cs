namespace Dma.UsbDevice;

/// <summary>How an EHCI controller is built: what its specification leaves open.</summary>
public sealed record EhciOptions
{
    /// <summary>Root ports, 1 to 15.</summary>
    public int PortCount { get; init; } = 4;

    /// <summary>HCCPARAMS bit 0: structures have upper address doublewords.</summary>
    public bool Addresses64Bit { get; init; } = true;

    /// <summary>HCCPARAMS bit 1: the length of the frame list can be chosen.</summary>
    public bool ProgrammableFrameList { get; init; } = true;

    /// <summary>HCCPARAMS bit 2: park mode.</summary>
    public bool AsyncPark { get; init; } = true;

    /// <summary>HCSPARAMS bit 4: software switches the power of the ports.</summary>
    public bool PortPowerControl { get; init; }

    /// <summary>HCSPARAMS bit 16: the ports have lights that software switches.</summary>
    public bool PortIndicators { get; init; }

    /// <summary>Whether USBCMD bit 7, the light reset, is there; no capability bit tells.</summary>
    public bool LightReset { get; init; }

    /// <summary>HCSPARAMS bits 15:12, companion controllers; what is handed to one leaves this model.</summary>
    public int CompanionCount { get; init; }

    /// <summary>HCCPARAMS bit 7: the controller reads isochronous structures of a whole frame ahead; one whose list it found empty it does not look at again.</summary>
    public bool CachesWholeFrame { get; init; }

    /// <summary>What the controller learns of a posted write that the bus refused.</summary>
    public PostedWriteFault PostedWriteFault { get; init; }

    /// <summary>Whether firmware owns the controller after power-on, until the system asks for it.</summary>
    public bool FirmwareOwned { get; init; }

    /// <summary>Whether each root port has a gate, for a host that gives the controller to one VM after the other: see <see cref="PortGateOffsets"/>.</summary>
    public bool PortGates { get; init; }

    /// <summary>How many of the ports, the last ones, have no bus behind them but devices that software provides; 0 where the controller is not shared.</summary>
    internal int InternalPortCount { get; init; }

    /// <summary>What it costs to read a structure of the schedule that has no work, in nanoseconds, at least 50.</summary>
    /// <remarks>Bounds how many structures can be visited in a microframe, whatever a guest links together.</remarks>
    public uint FetchNs { get; init; } = 300;

    /// <summary>The options, or the usual ones, if a controller can be built like that.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It cannot.</exception>
    internal static EhciOptions Check(EhciOptions? options)
    {
        EhciOptions chosen = options ?? new();
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)chosen.PortCount - 1, 14u, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(chosen.FetchNs, 50u, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)chosen.CompanionCount, 15u, nameof(options));
        return chosen;
    }
}
