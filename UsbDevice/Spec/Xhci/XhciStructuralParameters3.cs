using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>HCSPARAMS3: how long links need to wake (xHCI, structural parameters 3).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct XhciStructuralParameters3(Bits32 Raw)
{
    /// <summary>Bits 7:0, from U1 to U0 in microseconds, at most 10.</summary>
    public int U1ExitLatencyUs
    {
        get => (int)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (uint)value);
    }

    /// <summary>Bits 31:16, from U2 to U0 in microseconds, at most 2047.</summary>
    public int U2ExitLatencyUs
    {
        get => (int)Raw.Bits(31, 16);
        init => Raw = Raw.With(31, 16, (uint)value);
    }
}
