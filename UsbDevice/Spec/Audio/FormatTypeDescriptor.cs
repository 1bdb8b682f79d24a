using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>The head of a format of type I; three bytes for each sampling rate follow (USB audio data formats 1.0, type I format).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct FormatTypeDescriptor(Bits64 Raw)
{
    /// <summary>Bytes in the head.</summary>
    public const int Size = 8;

    /// <summary>Bits 7:0, bLength.</summary>
    public byte Length
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 15:8, bDescriptorType, CS_INTERFACE.</summary>
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

    /// <summary>Bits 31:24, bFormatType, 1.</summary>
    public byte Format
    {
        get => (byte)Raw.Bits(31, 24);
        init => Raw = Raw.With(31, 24, value);
    }

    /// <summary>Bits 39:32, bNrChannels.</summary>
    public byte Channels
    {
        get => (byte)Raw.Bits(39, 32);
        init => Raw = Raw.With(39, 32, value);
    }

    /// <summary>Bits 47:40, bSubframeSize.</summary>
    public byte SubframeBytes
    {
        get => (byte)Raw.Bits(47, 40);
        init => Raw = Raw.With(47, 40, value);
    }

    /// <summary>Bits 55:48, bBitResolution.</summary>
    public byte BitResolution
    {
        get => (byte)Raw.Bits(55, 48);
        init => Raw = Raw.With(55, 48, value);
    }

    /// <summary>Bits 63:56, bSamFreqType: sampling rates; 0 for a range.</summary>
    public byte RateCount
    {
        get => (byte)Raw.Bits(63, 56);
        init => Raw = Raw.With(63, 56, value);
    }
}
