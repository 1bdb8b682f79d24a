using Dma.Machine;

namespace Dma.Hal.Spec;

/// <summary>A packet of an isochronous transfer (Xen, io/usbif.h, isochronous frame descriptor).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct UrbPacket(Bits128 Raw)
{
    /// <summary>Bytes in a descriptor.</summary>
    public const int Size = 16;

    /// <summary>Bits 31:0, where in the buffer it begins.</summary>
    public uint Offset
    {
        get => (uint)Raw.Bits(31, 0);
        init => Raw = Raw.With(31, 0, value);
    }

    /// <summary>Bits 63:32, bytes to send, or room for what comes.</summary>
    public uint Length
    {
        get => (uint)Raw.Bits(63, 32);
        init => Raw = Raw.With(63, 32, value);
    }

    /// <summary>Bits 95:64, bytes that were moved.</summary>
    public uint ActualLength
    {
        get => (uint)Raw.Bits(95, 64);
        init => Raw = Raw.With(95, 64, value);
    }

    /// <summary>Bits 127:96, how it went.</summary>
    public UrbStatus Status
    {
        get => (UrbStatus)(int)Raw.Bits(127, 96);
        init => Raw = Raw.With(127, 96, (uint)value);
    }
}
