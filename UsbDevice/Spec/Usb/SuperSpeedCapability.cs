using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>At which speeds a SuperSpeed device works, and how fast it wakes (USB 3.x, SuperSpeed USB device capability).</summary>
/// <param name="Raw">Bits 79:0; the rest is zero.</param>
public readonly record struct SuperSpeedCapability(Bits128 Raw)
{
    /// <summary>Bytes in the descriptor.</summary>
    public const int Size = 10;

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

    /// <summary>Bits 23:16, bDevCapabilityType.</summary>
    public CapabilityType Capability
    {
        get => (CapabilityType)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, (ulong)value);
    }

    /// <summary>Bit 25, of bmAttributes: latency tolerance messages.</summary>
    public bool LatencyTolerance
    {
        get => Raw.Bit(25);
        init => Raw = Raw.With(25, value);
    }

    /// <summary>Bit 32, of wSpeedsSupported: low speed.</summary>
    public bool LowSpeed
    {
        get => Raw.Bit(32);
        init => Raw = Raw.With(32, value);
    }

    /// <summary>Bit 33, of wSpeedsSupported: full speed.</summary>
    public bool FullSpeed
    {
        get => Raw.Bit(33);
        init => Raw = Raw.With(33, value);
    }

    /// <summary>Bit 34, of wSpeedsSupported: high speed.</summary>
    public bool HighSpeed
    {
        get => Raw.Bit(34);
        init => Raw = Raw.With(34, value);
    }

    /// <summary>Bit 35, of wSpeedsSupported: SuperSpeed.</summary>
    public bool SuperSpeed
    {
        get => Raw.Bit(35);
        init => Raw = Raw.With(35, value);
    }

    /// <summary>Bits 55:48, bFunctionalitySupport: the bit number of the slowest speed at which all of the device works.</summary>
    public byte FullFunctionality
    {
        get => (byte)Raw.Bits(55, 48);
        init => Raw = Raw.With(55, 48, value);
    }

    /// <summary>Bits 63:56, bU1DevExitLat, in microseconds, less than 11.</summary>
    public byte U1ExitLatency
    {
        get => (byte)Raw.Bits(63, 56);
        init => Raw = Raw.With(63, 56, value);
    }

    /// <summary>Bits 79:64, wU2DevExitLat, in microseconds, less than 2048.</summary>
    public ushort U2ExitLatency
    {
        get => (ushort)Raw.Bits(79, 64);
        init => Raw = Raw.With(79, 64, value);
    }
}
