namespace Dma.UsbDevice;

/// <summary>How an xHCI controller is built: what its specification leaves open.</summary>
public sealed record XhciOptions
{
    /// <summary>Root ports of USB 2, 0 to 15; they are numbered from 1 on.</summary>
    public int Usb2PortCount { get; init; } = 4;

    /// <summary>Root ports of USB 3, 0 to 15; they are numbered after those of USB 2. There is at least one port in all.</summary>
    public int Usb3PortCount { get; init; } = 4;

    /// <summary>HCSPARAMS1.MaxSlots, 1 to 255.</summary>
    public int SlotCount { get; init; } = 32;

    /// <summary>HCSPARAMS1.MaxIntrs, 1 to 16; as many MSI-X vectors.</summary>
    public int InterrupterCount { get; init; } = 4;

    /// <summary>HCSPARAMS2.ERST Max: an event ring has up to 2^n segments, 0 to 8.</summary>
    public int SegmentTableMax { get; init; } = 4;

    /// <summary>HCCPARAMS1.AC64: all 64 bits of addresses count; else the upper 32 are ignored.</summary>
    public bool Addresses64Bit { get; init; } = true;

    /// <summary>HCCPARAMS1.CSZ: contexts have 64 bytes rather than 32.</summary>
    public bool Contexts64Byte { get; init; }

    /// <summary>HCCPARAMS1.PPC: software switches the power of the ports.</summary>
    public bool PortPowerControl { get; init; }

    /// <summary>HCCPARAMS1.LHRC: a light reset exists.</summary>
    public bool LightReset { get; init; } = true;

    /// <summary>HCCPARAMS1.BNC: the commands Negotiate Bandwidth and Get Port Bandwidth exist.</summary>
    public bool BandwidthNegotiation { get; init; } = true;

    /// <summary>HCCPARAMS1.LTC: the command Set Latency Tolerance Value exists.</summary>
    public bool LatencyTolerance { get; init; } = true;

    /// <summary>HCCPARAMS1.NSS, inverted: stream arrays may have a second level.</summary>
    public bool SecondaryStreams { get; init; } = true;

    /// <summary>HCCPARAMS1.MaxPSASize: a primary stream array has up to 2^(n + 1) entries, 0 to 15; 0 for no streams.</summary>
    public int StreamArrayMax { get; init; } = 4;

    /// <summary>HCCPARAMS1.PAE: after a short packet all event data TRBs of the transfer are executed, not the first alone.</summary>
    public bool ParseAllEventData { get; init; }

    /// <summary>HCCPARAMS1.SPC: an endpoint that is stopped after a short packet says so.</summary>
    public bool StoppedShortPacket { get; init; } = true;

    /// <summary>Whether firmware owns the controller after power-on, until the system asks for it.</summary>
    public bool FirmwareOwned { get; init; }

    /// <summary>Whether each root port has a gate, for a host that gives the controller to one VM after the other: see <see cref="XhciGateOffsets"/>.</summary>
    public bool PortGates { get; init; }

    /// <summary>Whether it has MSI-X; MSI it always has.</summary>
    public bool HasMsix { get; init; } = true;

    /// <summary>What the controller learns of a posted write that the bus refused.</summary>
    public PostedWriteFault PostedWriteFault { get; init; }

    /// <summary>What follows when the bus refuses the data of a transfer.</summary>
    public DataFault DataFault { get; init; }

    /// <summary>What it costs to look at a TRB that moves nothing, in nanoseconds, at least 50.</summary>
    /// <remarks>Bounds how many can be looked at in a microframe, whatever a guest links together.</remarks>
    public uint FetchNs { get; init; } = 100;

    /// <summary>What it costs to execute a command, in nanoseconds, at least 200.</summary>
    public uint CommandNs { get; init; } = 2000;
}
