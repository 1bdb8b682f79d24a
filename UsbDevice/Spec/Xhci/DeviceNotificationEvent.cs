using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>A device sent a notification (xHCI, device notification event TRB).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct DeviceNotificationEvent(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

    /// <summary>Bits 7:4, which one: 1 function wake, 2 latency tolerance.</summary>
    public int Notification
    {
        get => (int)Raw.Bits(7, 4);
        init => Raw = Raw.With(7, 4, (ulong)value);
    }

    /// <summary>Bits 63:8, what it carries.</summary>
    public ulong Data
    {
        get => Raw.Bits(63, 8);
        init => Raw = Raw.With(63, 8, value);
    }

    /// <summary>Bits 95:88, always success.</summary>
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

    /// <summary>Bits 127:120, the device slot.</summary>
    public byte Slot
    {
        get => (byte)Raw.Bits(127, 120);
        init => Raw = Raw.With(127, 120, value);
    }
}
