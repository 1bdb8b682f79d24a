using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Asks how much is free at each port (xHCI, get port bandwidth command TRB).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct PortBandwidthCommand(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

    /// <summary>Bits 63:4, where the answer goes, a multiple of 16: byte n the per cent that are free at port n.</summary>
    public ulong Context
    {
        get => Raw.Bits(63, 4) << 4;
        init => Raw = Raw.With(63, 4, Aligned.Shift(value, 4));
    }

    /// <summary>Bit 96, whose TRB it is.</summary>
    public bool Cycle
    {
        get => Raw.Bit(96);
        init => Raw = Raw.With(96, value);
    }

    /// <summary>Bits 111:106, what it is.</summary>
    public TrbType Type
    {
        get => (TrbType)Raw.Bits(111, 106);
        init => Raw = Raw.With(111, 106, (ulong)value);
    }

    /// <summary>Bits 115:112, the speed that is asked about.</summary>
    public PortSpeed Speed
    {
        get => (PortSpeed)Raw.Bits(115, 112);
        init => Raw = Raw.With(115, 112, (ulong)value);
    }

    /// <summary>Bits 127:120, the slot of the hub whose ports are asked about; 0 for the root.</summary>
    public byte HubSlot
    {
        get => (byte)Raw.Bits(127, 120);
        init => Raw = Raw.With(127, 120, value);
    }
}
