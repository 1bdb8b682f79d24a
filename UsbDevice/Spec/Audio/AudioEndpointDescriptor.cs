using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>What can be set at the endpoint before it (USB audio 1.0, class-specific isochronous audio data endpoint).</summary>
/// <param name="Raw">Bits 55:0; the rest is zero.</param>
public readonly record struct AudioEndpointDescriptor(Bits64 Raw)
{
    /// <summary>Bytes in the descriptor.</summary>
    public const int Size = 7;

    /// <summary>Bits 7:0, bLength.</summary>
    public byte Length
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 15:8, bDescriptorType, CS_ENDPOINT.</summary>
    public DescriptorType Type
    {
        get => (DescriptorType)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, (ulong)value);
    }

    /// <summary>Bits 23:16, bDescriptorSubtype.</summary>
    public AudioStreamingSubtype Subtype
    {
        get => (AudioStreamingSubtype)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, (ulong)value);
    }

    /// <summary>Bit 24, of bmAttributes: the sampling rate.</summary>
    public bool RateControl
    {
        get => Raw.Bit(24);
        init => Raw = Raw.With(24, value);
    }

    /// <summary>Bit 25, of bmAttributes: the pitch.</summary>
    public bool PitchControl
    {
        get => Raw.Bit(25);
        init => Raw = Raw.With(25, value);
    }

    /// <summary>Bit 31, of bmAttributes: packets are always full.</summary>
    public bool MaxPacketsOnly
    {
        get => Raw.Bit(31);
        init => Raw = Raw.With(31, value);
    }

    /// <summary>Bits 39:32, bLockDelayUnits: 1 milliseconds, 2 samples.</summary>
    public byte LockDelayUnits
    {
        get => (byte)Raw.Bits(39, 32);
        init => Raw = Raw.With(39, 32, value);
    }

    /// <summary>Bits 55:40, wLockDelay.</summary>
    public ushort LockDelay
    {
        get => (ushort)Raw.Bits(55, 40);
        init => Raw = Raw.With(55, 40, value);
    }
}
