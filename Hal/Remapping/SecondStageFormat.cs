using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>Second-stage entries (VT-d, second-stage paging entries).</summary>
/// <remarks>A superpage of 1 GiB must be able to become one of 2 MiB.</remarks>
internal sealed class SecondStageFormat(UnitCapabilities unit)
    : PageFormat(!unit.Capability.SecondStage2M ? 1 : unit.Capability.SecondStage1G ? 3 : 2)
{
    // Where the unit can see to it, a device cannot go past the processor's caches.
    private readonly bool _snoops = unit.Extended.SnoopControl;

    public override bool IsPresent(ulong entry) => Of(entry) is { Read: true } or { Write: true };

    public override bool IsLeaf(ulong entry, int level) => level == 1 || Of(entry).PageSize;

    public override PhysicalAddress TargetOf(ulong entry) => Of(entry).Address;

    public override ulong PointerTo(GuestPhysicalAddress table) =>
        new SecondStageEntry { Read = true, Write = true, Address = TableMemory.ForUnit(table) }.Raw.Value;

    public override ulong LeafAt(ulong target, int level, DmaDirection direction) => new SecondStageEntry
    {
        Read = (direction & DmaDirection.ToDevice) != 0,
        Write = (direction & DmaDirection.FromDevice) != 0,
        Snoop = _snoops,
        Address = new(target),
        PageSize = level > 1,
    }.Raw.Value;

    public override ulong PartOf(ulong leaf, ulong target, int level) => (Of(leaf) with { Address = new(target), PageSize = level > 1 }).Raw.Value;

    public override DmaDirection DirectionOf(ulong leaf) =>
        (Of(leaf).Read ? DmaDirection.ToDevice : 0) | (Of(leaf).Write ? DmaDirection.FromDevice : 0);

    public override bool IsDirty(ulong leaf) => Of(leaf).Dirty;

    public override ulong Cleaned(ulong leaf) => (Of(leaf) with { Dirty = false }).Raw.Value;

    private static SecondStageEntry Of(ulong raw) => new(new(raw));
}
