using Dma.Machine;

namespace Dma.Hal.Spec;

/// <summary>A piece of a buffer, inside one granted page (Xen, io/usbif.h, request segment).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct UrbSegment(Bits64 Raw)
{
    /// <summary>Bytes in a segment.</summary>
    public const int Size = 8;

    /// <summary>Bits 31:0, gref: the grant.</summary>
    public uint Grant
    {
        get => (uint)Raw.Bits(31, 0);
        init => Raw = Raw.With(31, 0, value);
    }

    /// <summary>Bits 47:32, offset: where in the page it begins.</summary>
    public ushort Offset
    {
        get => (ushort)Raw.Bits(47, 32);
        init => Raw = Raw.With(47, 32, value);
    }

    /// <summary>Bits 63:48, length, in bytes.</summary>
    public ushort Length
    {
        get => (ushort)Raw.Bits(63, 48);
        init => Raw = Raw.With(63, 48, value);
    }
}
