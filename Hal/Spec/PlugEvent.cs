using Dma.Machine;

namespace Dma.Hal.Spec;

/// <summary>A device came to a port of a back end, or left it (Xen, io/usbif.h, connection response).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct PlugEvent(Bits32 Raw)
{
    /// <summary>Bytes in an event, and in an entry of its ring.</summary>
    public const int Size = 4;

    /// <summary>Bits 15:0, id: of the request that it answers; each event uses up one.</summary>
    public ushort Id
    {
        get => (ushort)Raw.Bits(15, 0);
        init => Raw = Raw.With(15, 0, value);
    }

    /// <summary>Bits 23:16, portnum, from 1.</summary>
    public byte Port
    {
        get => (byte)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, value);
    }

    /// <summary>Bits 31:24, speed.</summary>
    public PlugSpeed Speed
    {
        get => (PlugSpeed)Raw.Bits(31, 24);
        init => Raw = Raw.With(31, 24, (uint)value);
    }
}
