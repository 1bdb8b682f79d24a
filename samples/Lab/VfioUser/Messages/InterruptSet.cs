using System.Runtime.InteropServices;

namespace Dma.Lab;

/// <summary>What to do with some interrupts of a type (vfio-user, DEVICE_SET_IRQS).</summary>
/// <param name="ArgumentSize">The size of this structure with the data behind it.</param>
/// <param name="Flags">Bits 2:0 which data there is, bits 5:3 what is to be done; one bit of each.</param>
/// <param name="Index">Which type: <see cref="InterruptType"/>.</param>
/// <param name="Start">The first one.</param>
/// <param name="Count">How many; 0 for all, to turn the type off.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct InterruptSet(uint ArgumentSize, InterruptSetFlags Flags, uint Index, uint Start, uint Count);

/// <summary>What stands in the flags of <see cref="InterruptSet"/>.</summary>
[Flags]
internal enum InterruptSetFlags : uint
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Bit 0: no data, all of them.</summary>
    DataNone = 1 << 0,

    /// <summary>Bit 1: a byte for each; those that are not 0.</summary>
    DataBool = 1 << 1,

    /// <summary>Bit 2: a descriptor for each, or none at all to take them back.</summary>
    DataEvent = 1 << 2,

    /// <summary>Bits 2:0.</summary>
    DataMask = 7,

    /// <summary>Bit 3: mask.</summary>
    Mask = 1 << 3,

    /// <summary>Bit 4: unmask.</summary>
    Unmask = 1 << 4,

    /// <summary>Bit 5: trigger, or say what triggering signals.</summary>
    Trigger = 1 << 5,

    /// <summary>Bits 5:3.</summary>
    ActionMask = 7 << 3,
}
