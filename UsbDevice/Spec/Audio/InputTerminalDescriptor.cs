using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Where sound comes in (USB audio 1.0, input terminal).</summary>
/// <param name="Raw">Bits 95:0; the rest is zero.</param>
public readonly record struct InputTerminalDescriptor(Bits128 Raw)
{
    /// <summary>Bytes in the descriptor.</summary>
    public const int Size = 12;

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

    /// <summary>Bits 63:56, bNrChannels.</summary>
    public byte Channels
    {
        get => (byte)Raw.Bits(63, 56);
        init => Raw = Raw.With(63, 56, value);
    }

    /// <summary>Bits 79:64, wChannelConfig: bit 0 left front, bit 1 right front; 0 for mono.</summary>
    public ushort ChannelPlaces
    {
        get => (ushort)Raw.Bits(79, 64);
        init => Raw = Raw.With(79, 64, value);
    }

    /// <summary>Bits 87:80, iChannelNames: a string index, 0 for none.</summary>
    public byte ChannelNames
    {
        get => (byte)Raw.Bits(87, 80);
        init => Raw = Raw.With(87, 80, value);
    }

    /// <summary>Bits 95:88, iTerminal: a string index, 0 for none.</summary>
    public byte Name
    {
        get => (byte)Raw.Bits(95, 88);
        init => Raw = Raw.With(95, 88, value);
    }
}
