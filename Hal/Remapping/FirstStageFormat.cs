using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>First-stage entries (VT-d, first-stage paging entries).</summary>
/// <remarks>
/// A page that can be written can be read too: this format has no other. Nobody looks at accessed and dirty bits, so they
/// are set from the start: a unit never has to, which costs it a locked update and is a fault where its walks do not snoop.
/// </remarks>
internal sealed class FirstStageFormat(UnitCapabilities unit) : PageFormat(unit.Capability.FirstStage1G ? 3 : 2)
{
    public override bool IsPresent(ulong entry) => Of(entry).Present;

    public override bool IsLeaf(ulong entry, int level) => level == 1 || Of(entry).PageSize;

    public override PhysicalAddress TargetOf(ulong entry) => Of(entry).Address;

    public override ulong PointerTo(GuestPhysicalAddress table) =>
        new FirstStageEntry { Present = true, Writable = true, User = true, Accessed = true, Address = TableMemory.ForUnit(table) }.Raw.Value;

    public override ulong LeafAt(ulong target, int level, DmaDirection direction)
    {
        bool writes = (direction & DmaDirection.FromDevice) != 0;
        return new FirstStageEntry
        {
            Present = true,
            Writable = writes,

            // What a device asks for without PASID is a user request.
            User = true,
            Accessed = true,
            Dirty = writes,
            Address = new(target),
            PageSize = level > 1,
        }.Raw.Value;
    }

    public override ulong PartOf(ulong leaf, ulong target, int level) => (Of(leaf) with { Address = new(target), PageSize = level > 1 }).Raw.Value;

    public override DmaDirection DirectionOf(ulong leaf) => Of(leaf).Writable ? DmaDirection.Bidirectional : DmaDirection.ToDevice;

    public override bool IsDirty(ulong leaf) => Of(leaf).Dirty;

    public override ulong Cleaned(ulong leaf) => (Of(leaf) with { Dirty = false }).Raw.Value;

    private static FirstStageEntry Of(ulong raw) => new(new(raw));
}
