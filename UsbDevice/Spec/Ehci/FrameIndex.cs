using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>FRINDEX: the number of the current microframe (EHCI, frame index register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct FrameIndex(Bits32 Raw)
{
    /// <summary>Bits 2:0, the microframe within its frame.</summary>
    public int Microframe
    {
        get => (int)Raw.Bits(2, 0);
        init => Raw = Raw.With(2, 0, (uint)value);
    }

    /// <summary>Bits 12:3, the frame, and so the element of a frame list of 1024.</summary>
    public int Frame
    {
        get => (int)Raw.Bits(12, 3);
        init => Raw = Raw.With(12, 3, (uint)value);
    }

    /// <summary>Bits 13:0, microframes, modulo 2^14.</summary>
    public int Value
    {
        get => (int)Raw.Bits(13, 0);
        init => Raw = Raw.With(13, 0, (uint)value);
    }
}
