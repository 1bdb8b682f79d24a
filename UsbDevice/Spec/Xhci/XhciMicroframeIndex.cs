using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>MFINDEX (xHCI, microframe index register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct XhciMicroframeIndex(Bits32 Raw)
{
    /// <summary>Bits 2:0, the microframe within its frame.</summary>
    public int Microframe
    {
        get => (int)Raw.Bits(2, 0);
        init => Raw = Raw.With(2, 0, (uint)value);
    }

    /// <summary>Bits 13:3, the frame, as frame identifiers count.</summary>
    public int Frame
    {
        get => (int)Raw.Bits(13, 3);
        init => Raw = Raw.With(13, 3, (uint)value);
    }

    /// <summary>Bits 13:0, the microframe index, the two fields above as one.</summary>
    public int Value
    {
        get => (int)Raw.Bits(13, 0);
        init => Raw = Raw.With(13, 0, (uint)value);
    }
}
