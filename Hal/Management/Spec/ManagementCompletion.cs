using Dma.Machine;

namespace Dma.Hal.Spec;

/// <summary>How a request ended: 32 bytes of its slot, from 64 on (management device, completion).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct ManagementCompletion(Bits256 Raw)
{
    /// <summary>Bytes of a completion.</summary>
    public const int Size = 32;

    /// <summary>Bits 7:0, how.</summary>
    public ManagementResult Result
    {
        get => (ManagementResult)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (ulong)value);
    }

    /// <summary>Bits 63:32, that of the request.</summary>
    public uint Tag
    {
        get => (uint)Raw.Bits(63, 32);
        init => Raw = Raw.With(63, 32, value);
    }

    /// <summary>Bits 95:64, bytes that were read or written.</summary>
    public uint Length
    {
        get => (uint)Raw.Bits(95, 64);
        init => Raw = Raw.With(95, 64, value);
    }

    /// <summary>Bits 127:96, from whom a message is: the core's word, not the sender's. Of an opened file its handle.</summary>
    public uint Source
    {
        get => (uint)Raw.Bits(127, 96);
        init => Raw = Raw.With(127, 96, value);
    }

    /// <summary>Bits 191:128, as the command says.</summary>
    public ulong Value
    {
        get => Raw.Bits(191, 128);
        init => Raw = Raw.With(191, 128, value);
    }

    /// <summary>Bits 255:192, which version of its content a file had.</summary>
    public ulong Version
    {
        get => Raw.Bits(255, 192);
        init => Raw = Raw.With(255, 192, value);
    }
}
