using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>HCSPARAMS1: how much there is (xHCI, structural parameters 1).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct XhciStructuralParameters1(Bits32 Raw)
{
    /// <summary>Bits 7:0, MaxSlots: device slots, 1 to 255.</summary>
    public int SlotCount
    {
        get => (int)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (uint)value);
    }

    /// <summary>Bits 18:8, MaxIntrs: interrupters, 1 to 1024.</summary>
    public int InterrupterCount
    {
        get => (int)Raw.Bits(18, 8);
        init => Raw = Raw.With(18, 8, (uint)value);
    }

    /// <summary>Bits 31:24, MaxPorts: root ports, 1 to 255.</summary>
    public int PortCount
    {
        get => (int)Raw.Bits(31, 24);
        init => Raw = Raw.With(31, 24, (uint)value);
    }
}
