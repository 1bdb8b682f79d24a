using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>A command is done (xHCI, command completion event TRB).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct CommandCompletionEvent(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

    /// <summary>Bits 63:4, the address of the command, a multiple of 16.</summary>
    public ulong Pointer
    {
        get => Raw.Bits(63, 4) << 4;
        init => Raw = Raw.With(63, 4, Aligned.Shift(value, 4));
    }

    /// <summary>Bits 87:64, depends on the command.</summary>
    public int Parameter
    {
        get => (int)Raw.Bits(87, 64);
        init => Raw = Raw.With(87, 64, (ulong)value);
    }

    /// <summary>Bits 95:88, how it ended.</summary>
    public CompletionCode Code
    {
        get => (CompletionCode)Raw.Bits(95, 88);
        init => Raw = Raw.With(95, 88, (ulong)value);
    }

    /// <summary>Bit 96, whose TRB it is.</summary>
    public bool Cycle
    {
        get => Raw.Bit(96);
        init => Raw = Raw.With(96, value);
    }

    /// <summary>Bits 111:106, what it is.</summary>
    public TrbType Type
    {
        get => (TrbType)Raw.Bits(111, 106);
        init => Raw = Raw.With(111, 106, (ulong)value);
    }

    /// <summary>Bits 119:112, the virtual function that gave it.</summary>
    public byte Function
    {
        get => (byte)Raw.Bits(119, 112);
        init => Raw = Raw.With(119, 112, value);
    }

    /// <summary>Bits 127:120, the device slot.</summary>
    public byte Slot
    {
        get => (byte)Raw.Bits(127, 120);
        init => Raw = Raw.With(127, 120, value);
    }
}
