using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>What the interrupt endpoint sends (USB CDC PSTN, serial state notification).</summary>
/// <param name="Raw">Bits 79:0; the rest is zero.</param>
public readonly record struct SerialStateNotification(Bits128 Raw)
{
    /// <summary>Bytes in a notification.</summary>
    public const int Size = 10;

    /// <summary>Bits 7:0, bmRequestType, A1h.</summary>
    public byte Characteristics
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 15:8, bNotification, 20h.</summary>
    public byte Notification
    {
        get => (byte)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, value);
    }

    /// <summary>Bits 31:16, wValue, 0.</summary>
    public ushort Value
    {
        get => (ushort)Raw.Bits(31, 16);
        init => Raw = Raw.With(31, 16, value);
    }

    /// <summary>Bits 47:32, wIndex: the interface.</summary>
    public ushort Index
    {
        get => (ushort)Raw.Bits(47, 32);
        init => Raw = Raw.With(47, 32, value);
    }

    /// <summary>Bits 63:48, wLength, 2.</summary>
    public ushort DataLength
    {
        get => (ushort)Raw.Bits(63, 48);
        init => Raw = Raw.With(63, 48, value);
    }

    /// <summary>Bits 79:64, the state.</summary>
    public SerialLines Lines
    {
        get => (SerialLines)Raw.Bits(79, 64);
        init => Raw = Raw.With(79, 64, (ulong)value);
    }
}
