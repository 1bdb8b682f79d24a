using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>A command about an endpoint: Reset Endpoint, Stop Endpoint (xHCI, reset endpoint command TRB).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct EndpointCommand(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

    /// <summary>Bit 96, whose TRB it is.</summary>
    public bool Cycle
    {
        get => Raw.Bit(96);
        init => Raw = Raw.With(96, value);
    }

    /// <summary>Bit 105, TSP of Reset Endpoint: toggle and sequence stay.</summary>
    public bool KeepState
    {
        get => Raw.Bit(105);
        init => Raw = Raw.With(105, value);
    }

    /// <summary>Bits 111:106, what it is.</summary>
    public TrbType Type
    {
        get => (TrbType)Raw.Bits(111, 106);
        init => Raw = Raw.With(111, 106, (ulong)value);
    }

    /// <summary>Bits 116:112, the context index of the endpoint, 1 to 31.</summary>
    public int Endpoint
    {
        get => (int)Raw.Bits(116, 112);
        init => Raw = Raw.With(116, 112, (ulong)value);
    }

    /// <summary>Bit 119, SP of Stop Endpoint: because the device will be suspended.</summary>
    public bool Suspend
    {
        get => Raw.Bit(119);
        init => Raw = Raw.With(119, value);
    }

    /// <summary>Bits 127:120, the device slot.</summary>
    public byte Slot
    {
        get => (byte)Raw.Bits(127, 120);
        init => Raw = Raw.With(127, 120, value);
    }
}
