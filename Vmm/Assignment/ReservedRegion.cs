using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Memory that devices use on behalf of firmware, at all times and at its physical addresses (VT-d, reserved memory region reporting).</summary>
/// <param name="Start">The first byte, a multiple of 4096.</param>
/// <param name="Length">Bytes, a multiple of 4096.</param>
/// <param name="Devices">The devices, by their places in the host's PCI hierarchy.</param>
public sealed record ReservedRegion(PhysicalAddress Start, ulong Length, IReadOnlyList<SourceId> Devices)
{
    /// <summary>The range, for people.</summary>
    public override string ToString() => $"{Start.Value:X}h to {Start.Value + Length - 1:X}h";
}
