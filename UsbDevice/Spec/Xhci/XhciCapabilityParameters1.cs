using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>HCCPARAMS1: what it can do (xHCI, capability parameters 1).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct XhciCapabilityParameters1(Bits32 Raw)
{
    /// <summary>Bit 0, AC64: all 64 bits of addresses count.</summary>
    public bool Addresses64Bit
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, BNC: the Negotiate Bandwidth and Get Port Bandwidth commands exist.</summary>
    public bool BandwidthNegotiation
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 2, CSZ: contexts have 64 bytes rather than 32.</summary>
    public bool Contexts64Byte
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3, PPC: software switches the power of the ports.</summary>
    public bool PortPowerControl
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 4, PIND: the ports have indicators.</summary>
    public bool PortIndicators
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bit 5, LHRC: a light reset exists.</summary>
    public bool LightReset
    {
        get => Raw.Bit(5);
        init => Raw = Raw.With(5, value);
    }

    /// <summary>Bit 6, LTC: the Set Latency Tolerance Value command exists.</summary>
    public bool LatencyTolerance
    {
        get => Raw.Bit(6);
        init => Raw = Raw.With(6, value);
    }

    /// <summary>Bit 7, NSS: stream arrays are linear only.</summary>
    public bool NoSecondaryStreams
    {
        get => Raw.Bit(7);
        init => Raw = Raw.With(7, value);
    }

    /// <summary>Bit 8, PAE: after a short packet event data TRBs are still executed.</summary>
    public bool ParseAll
    {
        get => Raw.Bit(8);
        init => Raw = Raw.With(8, value);
    }

    /// <summary>Bit 9, SPC: stopping after a short packet has its own completion code.</summary>
    public bool StoppedShortPacket
    {
        get => Raw.Bit(9);
        init => Raw = Raw.With(9, value);
    }

    /// <summary>Bit 10, SEC: a stopped endpoint gives its EDTLA in the stream or endpoint context.</summary>
    public bool StoppedLength
    {
        get => Raw.Bit(10);
        init => Raw = Raw.With(10, value);
    }

    /// <summary>Bit 11, CFC: frame identifiers may follow each other without gaps.</summary>
    public bool ContiguousFrames
    {
        get => Raw.Bit(11);
        init => Raw = Raw.With(11, value);
    }

    /// <summary>Bits 15:12, MaxPSASize: a primary stream array has up to 2^(n + 1) entries; 0 for no streams.</summary>
    public int StreamArrayMax
    {
        get => (int)Raw.Bits(15, 12);
        init => Raw = Raw.With(15, 12, (uint)value);
    }

    /// <summary>Bits 31:16, xECP: where the extended capabilities begin, in doublewords from BAR 0; 0 for none.</summary>
    public int ExtendedCapabilities
    {
        get => (int)Raw.Bits(31, 16);
        init => Raw = Raw.With(31, 16, (uint)value);
    }
}
