using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Where sound goes out (USB audio 1.0, output terminal).</summary>
/// <param name="Raw">Bits 71:0; the rest is zero.</param>
public readonly record struct OutputTerminalDescriptor(Bits128 Raw)
{
    /// <summary>Bytes in the descriptor.</summary>
    public const int Size = 9;

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
    public AudioControlSubtype Subtype
    {
        get => (AudioControlSubtype)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, (ulong)value);
    }

    /// <summary>Bits 31:24, bTerminalID.</summary>
    public byte Id
    {
        get => (byte)Raw.Bits(31, 24);
        init => Raw = Raw.With(31, 24, value);
    }

    /// <summary>Bits 47:32, wTerminalType.</summary>
    public TerminalType Terminal
    {
        get => (TerminalType)Raw.Bits(47, 32);
        init => Raw = Raw.With(47, 32, (ulong)value);
    }

    /// <summary>Bits 55:48, bAssocTerminal; 0 for none.</summary>
    public byte AssociatedTerminal
    {
        get => (byte)Raw.Bits(55, 48);
        init => Raw = Raw.With(55, 48, value);
    }

    /// <summary>Bits 63:56, bSourceID.</summary>
    public byte Source
    {
        get => (byte)Raw.Bits(63, 56);
        init => Raw = Raw.With(63, 56, value);
    }

    /// <summary>Bits 71:64, iTerminal: a string index, 0 for none.</summary>
    public byte Name
    {
        get => (byte)Raw.Bits(71, 64);
        init => Raw = Raw.With(71, 64, value);
    }
}
