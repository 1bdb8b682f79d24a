using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>wValue of CLEAR_TT_BUFFER: whose transaction to forget (USB 2.0, CLEAR_TT_BUFFER).</summary>
/// <param name="Raw">Bits 15:0; the rest is zero.</param>
public readonly record struct TtBufferSelector(Bits32 Raw)
{
    /// <summary>Bits 3:0, the endpoint of the device.</summary>
    public int Endpoint
    {
        get => (int)Raw.Bits(3, 0);
        init => Raw = Raw.With(3, 0, (uint)value);
    }

    /// <summary>Bits 10:4, the device.</summary>
    public byte DeviceAddress
    {
        get => (byte)Raw.Bits(10, 4);
        init => Raw = Raw.With(10, 4, value);
    }

    /// <summary>Bits 12:11, control or bulk.</summary>
    public TransferType EndpointType
    {
        get => (TransferType)Raw.Bits(12, 11);
        init => Raw = Raw.With(12, 11, (uint)value);
    }

    /// <summary>Bit 15, the device sends; not looked at for control endpoints.</summary>
    public bool In
    {
        get => Raw.Bit(15);
        init => Raw = Raw.With(15, value);
    }
}
