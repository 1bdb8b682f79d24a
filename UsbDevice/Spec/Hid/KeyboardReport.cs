using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>The keys that are held (USB HID, boot keyboard).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct KeyboardReport(Bits64 Raw)
{
    /// <summary>Bytes in a report.</summary>
    public const int Size = 8;

    /// <summary>How many keys beside modifiers a report can name.</summary>
    public const int KeyCount = 6;

    /// <summary>Bits 7:0, modifier keys.</summary>
    public KeyModifiers Modifiers
    {
        get => (KeyModifiers)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (ulong)value);
    }

    /// <summary>Bits 23:16, a key that is held.</summary>
    public KeyUsage Key1
    {
        get => (KeyUsage)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, (ulong)value);
    }

    /// <summary>Bits 31:24, a key that is held.</summary>
    public KeyUsage Key2
    {
        get => (KeyUsage)Raw.Bits(31, 24);
        init => Raw = Raw.With(31, 24, (ulong)value);
    }

    /// <summary>Bits 39:32, a key that is held.</summary>
    public KeyUsage Key3
    {
        get => (KeyUsage)Raw.Bits(39, 32);
        init => Raw = Raw.With(39, 32, (ulong)value);
    }

    /// <summary>Bits 47:40, a key that is held.</summary>
    public KeyUsage Key4
    {
        get => (KeyUsage)Raw.Bits(47, 40);
        init => Raw = Raw.With(47, 40, (ulong)value);
    }

    /// <summary>Bits 55:48, a key that is held.</summary>
    public KeyUsage Key5
    {
        get => (KeyUsage)Raw.Bits(55, 48);
        init => Raw = Raw.With(55, 48, (ulong)value);
    }

    /// <summary>Bits 63:56, a key that is held.</summary>
    public KeyUsage Key6
    {
        get => (KeyUsage)Raw.Bits(63, 56);
        init => Raw = Raw.With(63, 56, (ulong)value);
    }
}
