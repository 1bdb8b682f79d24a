using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>CSW: the answer that ends a bulk-only exchange (USB mass storage bulk-only, command status wrapper).</summary>
/// <param name="Raw">Bits 103:0; the rest is zero.</param>
public readonly record struct CommandStatusWrapper(Bits128 Raw)
{
    /// <summary>Bytes in a wrapper.</summary>
    public const int Size = 13;

    /// <summary>What <see cref="Signature"/> must be.</summary>
    public const uint ValidSignature = 0x53425355;

    /// <summary>Bits 31:0, dCSWSignature.</summary>
    public uint Signature
    {
        get => (uint)Raw.Bits(31, 0);
        init => Raw = Raw.With(31, 0, value);
    }

    /// <summary>Bits 63:32, dCSWTag: the tag of the command.</summary>
    public uint Tag
    {
        get => (uint)Raw.Bits(63, 32);
        init => Raw = Raw.With(63, 32, value);
    }

    /// <summary>Bits 95:64, dCSWDataResidue: bytes expected but not moved.</summary>
    public uint DataResidue
    {
        get => (uint)Raw.Bits(95, 64);
        init => Raw = Raw.With(95, 64, value);
    }

    /// <summary>Bits 103:96, bCSWStatus.</summary>
    public CommandStatus Status
    {
        get => (CommandStatus)Raw.Bits(103, 96);
        init => Raw = Raw.With(103, 96, (ulong)value);
    }
}
