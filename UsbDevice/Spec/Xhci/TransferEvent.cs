using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>A transfer TRB is done (xHCI, transfer event TRB).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct TransferEvent(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

    /// <summary>Bits 63:0, the address of the TRB, or what an event data TRB carries.</summary>
    public ulong Pointer
    {
        get => Raw.Bits(63, 0);
        init => Raw = Raw.With(63, 0, value);
    }

    /// <summary>Bits 87:64, bytes of the TRB that were not moved; with event data, bytes that were moved since the last.</summary>
    public int Residual
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

    /// <summary>Bit 98, ED: the event belongs to an event data TRB.</summary>
    public bool EventData
    {
        get => Raw.Bit(98);
        init => Raw = Raw.With(98, value);
    }

    /// <summary>Bits 111:106, what it is.</summary>
    public TrbType Type
    {
        get => (TrbType)Raw.Bits(111, 106);
        init => Raw = Raw.With(111, 106, (ulong)value);
    }

    /// <summary>Bits 116:112, the context index of the endpoint, 1 to 31.</summary>
    public int Endpoint
    {
        get => (int)Raw.Bits(116, 112);
        init => Raw = Raw.With(116, 112, (ulong)value);
    }

    /// <summary>Bits 127:120, the device slot.</summary>
    public byte Slot
    {
        get => (byte)Raw.Bits(127, 120);
        init => Raw = Raw.With(127, 120, value);
    }
}
