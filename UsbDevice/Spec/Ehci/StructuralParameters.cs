using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>HCSPARAMS: how the controller is built (EHCI, structural parameters).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct StructuralParameters(Bits32 Raw)
{
    /// <summary>Bits 3:0, N_PORTS: root ports, 1 to 15.</summary>
    public int PortCount
    {
        get => (int)Raw.Bits(3, 0);
        init => Raw = Raw.With(3, 0, (uint)value);
    }

    /// <summary>Bit 4, PPC: software switches the power of the ports.</summary>
    public bool PortPowerControl
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bit 7, the port routing array says which companion serves which port.</summary>
    public bool ExplicitPortRouting
    {
        get => Raw.Bit(7);
        init => Raw = Raw.With(7, value);
    }

    /// <summary>Bits 11:8, N_PCC: ports that each companion controller serves.</summary>
    public int PortsPerCompanion
    {
        get => (int)Raw.Bits(11, 8);
        init => Raw = Raw.With(11, 8, (uint)value);
    }

    /// <summary>Bits 15:12, N_CC: companion controllers; 0 where only high-speed devices are served.</summary>
    public int CompanionCount
    {
        get => (int)Raw.Bits(15, 12);
        init => Raw = Raw.With(15, 12, (uint)value);
    }

    /// <summary>Bit 16, P_INDICATOR: the ports have lamps.</summary>
    public bool PortIndicators
    {
        get => Raw.Bit(16);
        init => Raw = Raw.With(16, value);
    }

    /// <summary>Bits 23:20, the number of the debug port; 0 where there is none.</summary>
    public int DebugPort
    {
        get => (int)Raw.Bits(23, 20);
        init => Raw = Raw.With(23, 20, (uint)value);
    }
}
