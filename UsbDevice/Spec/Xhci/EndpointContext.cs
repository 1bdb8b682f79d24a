using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>What the controller knows of an endpoint (xHCI, endpoint context).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct EndpointContext(Bits256 Raw)
{
    /// <summary>Bytes in memory; with contexts of 64 bytes as many zeros follow.</summary>
    public const int Size = 32;

    /// <summary>Bits 2:0, written by the controller.</summary>
    public EndpointState State
    {
        get => (EndpointState)Raw.Bits(2, 0);
        init => Raw = Raw.With(2, 0, (ulong)value);
    }

    /// <summary>Bits 9:8, bursts in a service interval less 1, SuperSpeed isochronous only.</summary>
    public int Mult
    {
        get => (int)Raw.Bits(9, 8);
        init => Raw = Raw.With(9, 8, (ulong)value);
    }

    /// <summary>Bits 14:10, MaxPStreams: the primary array has 2^(n + 1) entries; 0 for no streams.</summary>
    public int StreamsMax
    {
        get => (int)Raw.Bits(14, 10);
        init => Raw = Raw.With(14, 10, (ulong)value);
    }

    /// <summary>Bit 15, LSA: the primary array points to rings only.</summary>
    public bool LinearStreams
    {
        get => Raw.Bit(15);
        init => Raw = Raw.With(15, value);
    }

    /// <summary>Bits 23:16, the service interval is 2^n times 125 microseconds.</summary>
    public int Interval
    {
        get => (int)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, (ulong)value);
    }

    /// <summary>Bits 34:33, CErr: errors in a row that halt the endpoint; 0 for no limit.</summary>
    public int ErrorCount
    {
        get => (int)Raw.Bits(34, 33);
        init => Raw = Raw.With(34, 33, (ulong)value);
    }

    /// <summary>Bits 37:35, kind and direction.</summary>
    public XhciEndpointType Type
    {
        get => (XhciEndpointType)Raw.Bits(37, 35);
        init => Raw = Raw.With(37, 35, (ulong)value);
    }

    /// <summary>Bit 39, HID: the host does not choose a stream by itself.</summary>
    public bool HostInitiateDisable
    {
        get => Raw.Bit(39);
        init => Raw = Raw.With(39, value);
    }

    /// <summary>Bits 47:40, packets in a burst less 1; further transactions in a microframe at high speed.</summary>
    public int BurstMax
    {
        get => (int)Raw.Bits(47, 40);
        init => Raw = Raw.With(47, 40, (ulong)value);
    }

    /// <summary>Bits 63:48, bytes in a full packet.</summary>
    public int MaxPacketSize
    {
        get => (int)Raw.Bits(63, 48);
        init => Raw = Raw.With(63, 48, (ulong)value);
    }

    /// <summary>Bit 64, DCS: the cycle bit of TRBs that belong to the controller.</summary>
    public bool CycleState
    {
        get => Raw.Bit(64);
        init => Raw = Raw.With(64, value);
    }

    /// <summary>Bits 127:68, the next TRB of the ring, or the primary stream array; a multiple of 16.</summary>
    public ulong Dequeue
    {
        get => Raw.Bits(127, 68) << 4;
        init => Raw = Raw.With(127, 68, Aligned.Shift(value, 4));
    }

    /// <summary>Bits 143:128, the average length of TRBs in bytes.</summary>
    public int AverageLength
    {
        get => (int)Raw.Bits(143, 128);
        init => Raw = Raw.With(143, 128, (ulong)value);
    }

    /// <summary>Bits 31:24 the upper and bits 159:144 the lower part: bytes in a service interval, periodic endpoints only.</summary>
    public int EsitPayload
    {
        get => (int)((Raw.Bits(31, 24) << 16) | Raw.Bits(159, 144));
        init => Raw = Raw.With(31, 24, (ulong)value >> 16).With(159, 144, (ulong)value & 0xFFFF);
    }
}
