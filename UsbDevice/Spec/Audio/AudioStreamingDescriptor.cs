using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>What a setting of a streaming interface carries (USB audio 1.0, class-specific AS interface).</summary>
/// <param name="Raw">Bits 55:0; the rest is zero.</param>
public readonly record struct AudioStreamingDescriptor(Bits64 Raw)
{
    /// <summary>Bytes in the descriptor.</summary>
    public const int Size = 7;

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

    /// <summary>Bits 31:24, bTerminalLink.</summary>
    public byte TerminalLink
    {
        get => (byte)Raw.Bits(31, 24);
        init => Raw = Raw.With(31, 24, value);
    }

    /// <summary>Bits 39:32, bDelay, in frames.</summary>
    public byte DelayFrames
    {
        get => (byte)Raw.Bits(39, 32);
        init => Raw = Raw.With(39, 32, value);
    }

    /// <summary>Bits 55:40, wFormatTag, 0001h for PCM.</summary>
    public ushort FormatTag
    {
        get => (ushort)Raw.Bits(55, 40);
        init => Raw = Raw.With(55, 40, value);
    }
}
