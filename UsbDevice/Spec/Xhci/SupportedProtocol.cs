using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Which ports talk which protocol (xHCI, supported protocol capability).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct SupportedProtocol(Bits128 Raw)
{
    /// <summary>Bytes, without the speed identifiers that follow.</summary>
    public const int Size = 16;

    /// <summary>The one name there is.</summary>
    public const uint UsbName = 0x2042_5355;

    /// <summary>Bits 7:0, 2.</summary>
    public XhciExtendedId Id
    {
        get => (XhciExtendedId)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (ulong)value);
    }

    /// <summary>Bits 15:8, doublewords from here to the next capability; 0 ends the list.</summary>
    public int Next
    {
        get => (int)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, (ulong)value);
    }

    /// <summary>Bits 23:16, minor revision of the protocol, binary-coded decimal.</summary>
    public byte Minor
    {
        get => (byte)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, value);
    }

    /// <summary>Bits 31:24, major revision of the protocol: 2 or 3.</summary>
    public byte Major
    {
        get => (byte)Raw.Bits(31, 24);
        init => Raw = Raw.With(31, 24, value);
    }

    /// <summary>Bits 63:32, "USB " as bytes, 20425355h.</summary>
    public uint Name
    {
        get => (uint)Raw.Bits(63, 32);
        init => Raw = Raw.With(63, 32, value);
    }

    /// <summary>Bits 71:64, the first port, from 1.</summary>
    public byte FirstPort
    {
        get => (byte)Raw.Bits(71, 64);
        init => Raw = Raw.With(71, 64, value);
    }

    /// <summary>Bits 79:72, how many ports, one after another.</summary>
    public byte PortCount
    {
        get => (byte)Raw.Bits(79, 72);
        init => Raw = Raw.With(79, 72, value);
    }

    /// <summary>Bit 81, HSO: USB 2 ports without full and low speed.</summary>
    public bool HighSpeedOnly
    {
        get => Raw.Bit(81);
        init => Raw = Raw.With(81, value);
    }

    /// <summary>Bit 82, IHI: USB 2 ports behind a hub of the controller's own.</summary>
    public bool IntegratedHub
    {
        get => Raw.Bit(82);
        init => Raw = Raw.With(82, value);
    }

    /// <summary>Bit 83, HLC: USB 2 ports can enter L1 by themselves.</summary>
    public bool HardwareLpm
    {
        get => Raw.Bit(83);
        init => Raw = Raw.With(83, value);
    }

    /// <summary>Bit 84, BLC: latencies of USB 2 ports are coded as BESL.</summary>
    public bool ServiceLatency
    {
        get => Raw.Bit(84);
        init => Raw = Raw.With(84, value);
    }

    /// <summary>Bits 95:92, PSIC: speed identifiers that follow; 0 for the default ones.</summary>
    public int SpeedIdCount
    {
        get => (int)Raw.Bits(95, 92);
        init => Raw = Raw.With(95, 92, (ulong)value);
    }

    /// <summary>Bits 100:96, what Enable Slot is given for devices at these ports.</summary>
    public int SlotType
    {
        get => (int)Raw.Bits(100, 96);
        init => Raw = Raw.With(100, 96, (ulong)value);
    }
}
