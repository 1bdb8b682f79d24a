using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>HCSPARAMS2: limits, and memory that the controller wants for itself (xHCI, structural parameters 2).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct XhciStructuralParameters2(Bits32 Raw)
{
    /// <summary>Bits 3:0, IST: how far ahead software stays; frames where bit 3 is set, else microframes.</summary>
    public int IsochronousThreshold
    {
        get => (int)Raw.Bits(3, 0);
        init => Raw = Raw.With(3, 0, (uint)value);
    }

    /// <summary>Bits 7:4, ERST Max: an event ring has up to 2^n segments.</summary>
    public int SegmentTableMax
    {
        get => (int)Raw.Bits(7, 4);
        init => Raw = Raw.With(7, 4, (uint)value);
    }

    /// <summary>Bit 26, SPR: scratchpad buffers hold state between save and restore.</summary>
    public bool ScratchpadRestore
    {
        get => Raw.Bit(26);
        init => Raw = Raw.With(26, value);
    }

    /// <summary>Bits 25:21 the upper and bits 31:27 the lower half: pages that software gives the controller, 0 to 1023.</summary>
    public int ScratchpadCount
    {
        get => (int)((Raw.Bits(25, 21) << 5) | Raw.Bits(31, 27));
        init => Raw = Raw.With(25, 21, (uint)value >> 5).With(31, 27, (uint)value & 0x1F);
    }
}
