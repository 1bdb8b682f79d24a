using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>What follows each endpoint descriptor of a SuperSpeed device (USB 3.x, SuperSpeed endpoint companion).</summary>
/// <param name="Raw">Bits 47:0; the rest is zero.</param>
public readonly record struct SuperSpeedCompanionDescriptor(Bits64 Raw)
{
    /// <summary>Bytes in the descriptor.</summary>
    public const int Size = 6;

    /// <summary>Bits 7:0, bLength.</summary>
    public byte Length
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 15:8, bDescriptorType.</summary>
    public DescriptorType Type
    {
        get => (DescriptorType)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, (ulong)value);
    }

    /// <summary>Bits 23:16, bMaxBurst: packets in a burst, less one; 0 to 15.</summary>
    public byte MaxBurst
    {
        get => (byte)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, value);
    }

    /// <summary>Bits 28:24, of bmAttributes, bulk only: the endpoint has 2 to this power streams; 0 for none.</summary>
    public int MaxStreams
    {
        get => (int)Raw.Bits(28, 24);
        init => Raw = Raw.With(28, 24, (ulong)value);
    }

    /// <summary>Bits 25:24, of bmAttributes, isochronous only: bursts in an interval, less one.</summary>
    public int Mult
    {
        get => (int)Raw.Bits(25, 24);
        init => Raw = Raw.With(25, 24, (ulong)value);
    }

    /// <summary>Bits 47:32, wBytesPerInterval, periodic only.</summary>
    public ushort BytesPerInterval
    {
        get => (ushort)Raw.Bits(47, 32);
        init => Raw = Raw.With(47, 32, value);
    }
}
