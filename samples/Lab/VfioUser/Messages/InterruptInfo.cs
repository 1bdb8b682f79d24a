using System.Runtime.InteropServices;

namespace Dma.Lab;

/// <summary>The interrupts of one type (vfio-user, DEVICE_GET_IRQ_INFO).</summary>
/// <param name="ArgumentSize">Of a command, the most that the reply may have; of a reply, what it needs.</param>
/// <param name="Flags">What can be done with them.</param>
/// <param name="Index">Which type: <see cref="InterruptType"/>.</param>
/// <param name="Count">How many there are.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct InterruptInfo(uint ArgumentSize, uint Flags, uint Index, uint Count)
{
    /// <summary>Bit 0 of the flags: they signal events.</summary>
    public const uint Event = 1 << 0;

    /// <summary>Bit 1 of the flags: they can be masked.</summary>
    public const uint Maskable = 1 << 1;

    /// <summary>Bit 2 of the flags: one that was signalled is masked until the client unmasks it.</summary>
    public const uint AutoMasked = 1 << 2;
}
