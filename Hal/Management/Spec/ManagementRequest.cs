using Dma.Machine;

namespace Dma.Hal.Spec;

/// <summary>What a guest asks for: the first 64 bytes of a slot (management device, request).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct ManagementRequest(Bits512 Raw)
{
    /// <summary>Bytes of a slot; its completion lies at <see cref="CompletionOffset"/>, the rest is not used.</summary>
    public const int SlotBytes = 128;

    /// <summary>Where in a slot its completion lies.</summary>
    public const int CompletionOffset = 64;

    /// <summary>Bytes of a request.</summary>
    public const int Size = 64;

    /// <summary>Bits 7:0, what for.</summary>
    public ManagementCommand Command
    {
        get => (ManagementCommand)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (ulong)value);
    }

    /// <summary>Bits 63:32; the completion has the same.</summary>
    public uint Tag
    {
        get => (uint)Raw.Bits(63, 32);
        init => Raw = Raw.With(63, 32, value);
    }

    /// <summary>Bits 95:64, a participant.</summary>
    public uint Destination
    {
        get => (uint)Raw.Bits(95, 64);
        init => Raw = Raw.With(95, 64, value);
    }

    /// <summary>Bits 127:96, an open file.</summary>
    public uint Handle
    {
        get => (uint)Raw.Bits(127, 96);
        init => Raw = Raw.With(127, 96, value);
    }

    /// <summary>Bits 191:128, an offset in a file, flags or a number.</summary>
    public ulong Argument
    {
        get => Raw.Bits(191, 128);
        init => Raw = Raw.With(191, 128, value);
    }

    /// <summary>Bits 255:192, where the device reads.</summary>
    public Iova Input
    {
        get => new(Raw.Bits(255, 192));
        init => Raw = Raw.With(255, 192, value.Value);
    }

    /// <summary>Bits 319:256, where the device writes.</summary>
    public Iova Output
    {
        get => new(Raw.Bits(319, 256));
        init => Raw = Raw.With(319, 256, value.Value);
    }

    /// <summary>Bits 351:320, bytes to read.</summary>
    public uint InputLength
    {
        get => (uint)Raw.Bits(351, 320);
        init => Raw = Raw.With(351, 320, value);
    }

    /// <summary>Bits 383:352, bytes that may be written.</summary>
    public uint OutputLength
    {
        get => (uint)Raw.Bits(383, 352);
        init => Raw = Raw.With(383, 352, value);
    }

    /// <summary>Bits 415:384, who the guest says that it is. The core looks at its own books instead.</summary>
    public uint ClaimedSource
    {
        get => (uint)Raw.Bits(415, 384);
        init => Raw = Raw.With(415, 384, value);
    }
}
