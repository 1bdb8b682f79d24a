using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>What a dummy device asks its driver for (dummy device, reservation notice).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct ReservationNotice(Bits64 Raw)
{
    /// <summary>Bytes in a notice.</summary>
    public const int Size = 8;

    /// <summary>Bits 15:0, which notice it is; a refusal names it.</summary>
    public ushort Number
    {
        get => (ushort)Raw.Bits(15, 0);
        init => Raw = Raw.With(15, 0, value);
    }

    /// <summary>Bits 63:32, nanoseconds of each microframe that shall be reserved, at least; 0 for none.</summary>
    public uint NeedNs
    {
        get => (uint)Raw.Bits(63, 32);
        init => Raw = Raw.With(63, 32, value);
    }
}
