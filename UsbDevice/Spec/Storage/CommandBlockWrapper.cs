using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>CBW: the command that opens a bulk-only exchange (USB mass storage bulk-only, command block wrapper).</summary>
/// <param name="Raw">Bits 247:0; the rest is zero.</param>
public readonly record struct CommandBlockWrapper(Bits256 Raw)
{
    /// <summary>Bytes in a wrapper.</summary>
    public const int Size = 31;

    /// <summary>What <see cref="Signature"/> must be.</summary>
    public const uint ValidSignature = 0x43425355;

    /// <summary>Bits 31:0, dCBWSignature.</summary>
    public uint Signature
    {
        get => (uint)Raw.Bits(31, 0);
        init => Raw = Raw.With(31, 0, value);
    }

    /// <summary>Bits 63:32, dCBWTag: what the status wrapper repeats.</summary>
    public uint Tag
    {
        get => (uint)Raw.Bits(63, 32);
        init => Raw = Raw.With(63, 32, value);
    }

    /// <summary>Bits 95:64, dCBWDataTransferLength: bytes that the host expects to move.</summary>
    public uint DataLength
    {
        get => (uint)Raw.Bits(95, 64);
        init => Raw = Raw.With(95, 64, value);
    }

    /// <summary>Bit 103, of bmCBWFlags: data goes to the host.</summary>
    public bool In
    {
        get => Raw.Bit(103);
        init => Raw = Raw.With(103, value);
    }

    /// <summary>Bits 103:96, bmCBWFlags; all but bit 7 of it are zero.</summary>
    public byte Flags
    {
        get => (byte)Raw.Bits(103, 96);
        init => Raw = Raw.With(103, 96, value);
    }

    /// <summary>Bits 107:104, bCBWLUN.</summary>
    public int LogicalUnit
    {
        get => (int)Raw.Bits(107, 104);
        init => Raw = Raw.With(107, 104, (ulong)value);
    }

    /// <summary>Bits 111:108, reserved, zero.</summary>
    public int ReservedLogicalUnit
    {
        get => (int)Raw.Bits(111, 108);
        init => Raw = Raw.With(111, 108, (ulong)value);
    }

    /// <summary>Bits 116:112, bCBWCBLength: bytes of the command block, 1 to 16.</summary>
    public int CommandLength
    {
        get => (int)Raw.Bits(116, 112);
        init => Raw = Raw.With(116, 112, (ulong)value);
    }

    /// <summary>Bits 119:117, reserved, zero.</summary>
    public int ReservedCommandLength
    {
        get => (int)Raw.Bits(119, 117);
        init => Raw = Raw.With(119, 117, (ulong)value);
    }

    /// <summary>Bits 247:120, CBWCB: the command block, 16 bytes of which the first <see cref="CommandLength"/> count.</summary>
    public CommandBlock Command
    {
        get => new(new Bits128(Raw.Bits(183, 120), Raw.Bits(247, 184)));
        init => Raw = Raw.With(183, 120, value.Raw.Word0).With(247, 184, value.Raw.Word1);
    }
}
