using Dma.Machine;

namespace Dma.Hal.Spec;

/// <summary>Who answers behind BAR 0, 32 bits (management device, register 00h).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct ManagementIdentity(Bits32 Raw)
{
    /// <summary>What bits 31:16 of every management device hold.</summary>
    public const ushort SignatureValue = 0x4D47;

    /// <summary>The version that this file describes.</summary>
    public const byte CurrentMajor = 1;

    /// <summary>Bits 31:16, <see cref="SignatureValue"/>.</summary>
    public ushort Signature
    {
        get => (ushort)Raw.Bits(31, 16);
        init => Raw = Raw.With(31, 16, value);
    }

    /// <summary>Bits 15:8; a driver knows one and refuses others.</summary>
    public byte Major
    {
        get => (byte)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, value);
    }

    /// <summary>Bits 7:0; a higher one has more features, and all of a lower one.</summary>
    public byte Minor
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }
}
