using Dma.Machine;

namespace Dma.Hal.Spec;

/// <summary>The answer of a back end (Xen, io/usbif.h, urb response).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct UrbResponse(Bits128 Raw)
{
    /// <summary>Bytes in a response.</summary>
    public const int Size = 16;

    /// <summary>Bits 15:0, id: of the request.</summary>
    public ushort Id
    {
        get => (ushort)Raw.Bits(15, 0);
        init => Raw = Raw.With(15, 0, value);
    }

    /// <summary>Bits 31:16, start_frame: where an isochronous transfer began.</summary>
    public ushort StartFrame
    {
        get => (ushort)Raw.Bits(31, 16);
        init => Raw = Raw.With(31, 16, value);
    }

    /// <summary>Bits 63:32, status.</summary>
    public UrbStatus Status
    {
        get => (UrbStatus)(int)Raw.Bits(63, 32);
        init => Raw = Raw.With(63, 32, (uint)value);
    }

    /// <summary>Bits 95:64, actual_length: bytes that were moved.</summary>
    public int ActualLength
    {
        get => (int)Raw.Bits(95, 64);
        init => Raw = Raw.With(95, 64, (uint)value);
    }

    /// <summary>Bits 127:96, error_count: packets of an isochronous transfer that did not come through.</summary>
    public int ErrorCount
    {
        get => (int)Raw.Bits(127, 96);
        init => Raw = Raw.With(127, 96, (uint)value);
    }
}
