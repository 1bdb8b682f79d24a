using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>What the controller knows of a device (xHCI, slot context).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct SlotContext(Bits256 Raw)
{
    /// <summary>Bytes in memory; with contexts of 64 bytes as many zeros follow.</summary>
    public const int Size = 32;

    /// <summary>Bits 19:0, the port of each hub on the way, 4 bits each, the nearest to the root in bits 3:0.</summary>
    public uint Route
    {
        get => (uint)Raw.Bits(19, 0);
        init => Raw = Raw.With(19, 0, value);
    }

    /// <summary>Bits 23:20, the speed of the device.</summary>
    public PortSpeed Speed
    {
        get => (PortSpeed)Raw.Bits(23, 20);
        init => Raw = Raw.With(23, 20, (ulong)value);
    }

    /// <summary>Bit 25, MTT: a hub with a transaction translator for each port, and used so.</summary>
    public bool MultiTranslator
    {
        get => Raw.Bit(25);
        init => Raw = Raw.With(25, value);
    }

    /// <summary>Bit 26, the device is a hub.</summary>
    public bool Hub
    {
        get => Raw.Bit(26);
        init => Raw = Raw.With(26, value);
    }

    /// <summary>Bits 31:27, the index of the last endpoint context that is valid, 1 to 31.</summary>
    public int Entries
    {
        get => (int)Raw.Bits(31, 27);
        init => Raw = Raw.With(31, 27, (ulong)value);
    }

    /// <summary>Bits 47:32, the longest time that links on the way need to wake, in microseconds.</summary>
    public int ExitLatencyUs
    {
        get => (int)Raw.Bits(47, 32);
        init => Raw = Raw.With(47, 32, (ulong)value);
    }

    /// <summary>Bits 55:48, the root port, from 1.</summary>
    public byte RootPort
    {
        get => (byte)Raw.Bits(55, 48);
        init => Raw = Raw.With(55, 48, value);
    }

    /// <summary>Bits 63:56, ports of a hub.</summary>
    public byte PortCount
    {
        get => (byte)Raw.Bits(63, 56);
        init => Raw = Raw.With(63, 56, value);
    }

    /// <summary>Bits 71:64, the slot of the high-speed hub that translates; 0 for none.</summary>
    public byte TranslatorSlot
    {
        get => (byte)Raw.Bits(71, 64);
        init => Raw = Raw.With(71, 64, value);
    }

    /// <summary>Bits 79:72, the port of that hub.</summary>
    public byte TranslatorPort
    {
        get => (byte)Raw.Bits(79, 72);
        init => Raw = Raw.With(79, 72, value);
    }

    /// <summary>Bits 81:80, TTT: the think time of the translator, as in the hub descriptor.</summary>
    public int ThinkTime
    {
        get => (int)Raw.Bits(81, 80);
        init => Raw = Raw.With(81, 80, (ulong)value);
    }

    /// <summary>Bits 95:86, which one is told of bandwidth requests and device notifications.</summary>
    public int Interrupter
    {
        get => (int)Raw.Bits(95, 86);
        init => Raw = Raw.With(95, 86, (ulong)value);
    }

    /// <summary>Bits 103:96, the USB address; written by the controller.</summary>
    public byte Address
    {
        get => (byte)Raw.Bits(103, 96);
        init => Raw = Raw.With(103, 96, value);
    }

    /// <summary>Bits 127:123, written by the controller.</summary>
    public SlotState State
    {
        get => (SlotState)Raw.Bits(127, 123);
        init => Raw = Raw.With(127, 123, (ulong)value);
    }
}
