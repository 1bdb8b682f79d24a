using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>The microframe index wrapped from 3FFFh to 0 (xHCI, MFINDEX wrap event TRB).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct MicroframeWrapEvent(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

    /// <summary>Bits 95:88, always success.</summary>
    public CompletionCode Code
    {
        get => (CompletionCode)Raw.Bits(95, 88);
        init => Raw = Raw.With(95, 88, (ulong)value);
    }

    /// <summary>Bit 96, whose TRB it is.</summary>
    public bool Cycle
    {
        get => Raw.Bit(96);
        init => Raw = Raw.With(96, value);
    }

    /// <summary>Bits 111:106, what it is.</summary>
    public TrbType Type
    {
        get => (TrbType)Raw.Bits(111, 106);
        init => Raw = Raw.With(111, 106, (ulong)value);
    }
}
