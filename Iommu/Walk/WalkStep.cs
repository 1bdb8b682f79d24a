using Dma.Machine;

namespace Dma.Iommu;

/// <summary>One entry that a walk read, and what it checked there.</summary>
/// <param name="Structure">What kind of entry.</param>
/// <param name="Level">The level of a paging entry, 1 at the leaves; 0 elsewhere.</param>
/// <param name="Address">Where it is.</param>
/// <param name="Raw">Its bits, zero above its width.</param>
/// <param name="Checks">What was checked, in order; the last one failed where the walk ended in a fault here.</param>
public sealed record WalkStep(
    WalkStructure Structure, int Level, PhysicalAddress Address, Bits512 Raw, IReadOnlyList<WalkCheck> Checks);

/// <summary>One check of a walk.</summary>
/// <param name="Kind">What was checked.</param>
/// <param name="Mask">The bits that matter: reserved bits, the permission wanted, the highest address; 0 where there are none.</param>
/// <param name="Passed">Whether all was well.</param>
public readonly record struct WalkCheck(WalkCheckKind Kind, ulong Mask, bool Passed);
