using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Doubleword 1 of a siTD: which endpoint, through which hub (EHCI, siTD endpoint characteristics).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct SplitIsochronousEndpoint(Bits32 Raw)
{
    /// <summary>Bits 6:0, the device.</summary>
    public int DeviceAddress
    {
        get => (int)Raw.Bits(6, 0);
        init => Raw = Raw.With(6, 0, (uint)value);
    }

    /// <summary>Bits 11:8, the endpoint of the device.</summary>
    public int Endpoint
    {
        get => (int)Raw.Bits(11, 8);
        init => Raw = Raw.With(11, 8, (uint)value);
    }

    /// <summary>Bits 22:16, the hub whose translator serves the endpoint.</summary>
    public int HubAddress
    {
        get => (int)Raw.Bits(22, 16);
        init => Raw = Raw.With(22, 16, (uint)value);
    }

    /// <summary>Bits 30:24, the port of that hub.</summary>
    public int HubPort
    {
        get => (int)Raw.Bits(30, 24);
        init => Raw = Raw.With(30, 24, (uint)value);
    }

    /// <summary>Bit 31, IN, from device to memory.</summary>
    public bool In
    {
        get => Raw.Bit(31);
        init => Raw = Raw.With(31, value);
    }
}
