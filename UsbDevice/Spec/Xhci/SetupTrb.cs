using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>The SETUP packet of a control transfer (xHCI, setup stage TRB).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct SetupTrb(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

    /// <summary>Bits 63:0, the packet itself.</summary>
    public SetupPacket Packet
    {
        get => new(new(Raw.Bits(63, 0)));
        init => Raw = Raw.With(63, 0, value.Raw.Value);
    }

    /// <summary>Bits 80:64, always 8.</summary>
    public int Length
    {
        get => (int)Raw.Bits(80, 64);
        init => Raw = Raw.With(80, 64, (ulong)value);
    }

    /// <summary>Bits 95:86, which one gets the events.</summary>
    public int Interrupter
    {
        get => (int)Raw.Bits(95, 86);
        init => Raw = Raw.With(95, 86, (ulong)value);
    }

    /// <summary>Bit 96, whose TRB it is.</summary>
    public bool Cycle
    {
        get => Raw.Bit(96);
        init => Raw = Raw.With(96, value);
    }

    /// <summary>Bit 101, IOC: an event when it is done.</summary>
    public bool InterruptOnCompletion
    {
        get => Raw.Bit(101);
        init => Raw = Raw.With(101, value);
    }

    /// <summary>Bit 102, IDT: the data itself stands in place of the address.</summary>
    public bool Immediate
    {
        get => Raw.Bit(102);
        init => Raw = Raw.With(102, value);
    }

    /// <summary>Bits 111:106, what it is.</summary>
    public TrbType Type
    {
        get => (TrbType)Raw.Bits(111, 106);
        init => Raw = Raw.With(111, 106, (ulong)value);
    }

    /// <summary>Bits 113:112, TRT: which data stage follows.</summary>
    public SetupTransferType TransferType
    {
        get => (SetupTransferType)Raw.Bits(113, 112);
        init => Raw = Raw.With(113, 112, (ulong)value);
    }
}
