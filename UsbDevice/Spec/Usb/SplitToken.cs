using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>The SPLIT packet before a token that is meant for a transaction translator, as it travels, first bit lowest (USB 2.0, split transaction special token packets).</summary>
/// <remarks><c>default</c> is no packet at all. Bits 31:27 are the CRC, which the model does not need and leaves zero.</remarks>
/// <param name="Raw">All bits.</param>
public readonly record struct SplitToken(Bits32 Raw)
{
    /// <summary>Bits 7:0, the packet identifier: SPLIT, or none where there is no such packet.</summary>
    public UsbPid Pid
    {
        get => (UsbPid)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (uint)value);
    }

    /// <summary>Bits 14:8, the hub whose translator is meant.</summary>
    public byte HubAddress
    {
        get => (byte)Raw.Bits(14, 8);
        init => Raw = Raw.With(14, 8, value);
    }

    /// <summary>Bit 15, SC: a complete-split; where clear, a start-split.</summary>
    public bool Complete
    {
        get => Raw.Bit(15);
        init => Raw = Raw.With(15, value);
    }

    /// <summary>Bits 22:16, the port of that hub.</summary>
    public byte Port
    {
        get => (byte)Raw.Bits(22, 16);
        init => Raw = Raw.With(22, 16, value);
    }

    /// <summary>Bit 23, S: the device is of low speed; for isochronous OUT, the packet is the first of its payload.</summary>
    public bool SpeedOrStart
    {
        get => Raw.Bit(23);
        init => Raw = Raw.With(23, value);
    }

    /// <summary>Bit 24, E: for isochronous OUT, the packet is the last of its payload; zero otherwise.</summary>
    public bool End
    {
        get => Raw.Bit(24);
        init => Raw = Raw.With(24, value);
    }

    /// <summary>Bits 26:25, ET: control, isochronous, bulk or interrupt.</summary>
    public TransferType EndpointType
    {
        get => (TransferType)Raw.Bits(26, 25);
        init => Raw = Raw.With(26, 25, (uint)value);
    }
}
