using System.Numerics;
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>An assigned device whose requests the host's unit translates twice: by the guest's own first-stage tables, then by the domain.</summary>
/// <remarks>
/// <code>
///   guest's tables    device address --> guest-physical page     read by the host's unit, each of them through the domain
///   this domain                          guest-physical page --> host frame: all memory of the guest, pinned
/// </code>
/// What the guest maps costs the VMM nothing; what it invalidates is passed on, under the domain-id of this device. That is
/// its own, also where a guest puts several devices into one domain: the host's caches never take one for the other.
/// </remarks>
internal sealed class NestedDevice : GuestRequester
{
    private readonly VirtualMachine _machine;
    private readonly GuestFirstStages _stages;
    private readonly DmaMappings _memory;
    private bool _isOpen;

    /// <summary>A device of which the guest knows nothing yet.</summary>
    public NestedDevice(VirtualIommu iommu, VirtualMachine machine, SourceId host, DmaMappings memory)
        : base(iommu, host) => (_machine, _stages, _memory) = (machine, machine.Host.Remapping.FirstStages!, memory);

    /// <inheritdoc/>
    public override ulong PinnedPages => _isOpen ? _machine.Memory.Bytes / FrameSize.Page4K.Bytes : 0;

    /// <inheritdoc/>
    /// <remarks>All memory of the guest is pinned, or the device does not come at all.</remarks>
    public override ulong PagesRefused => 0;

    /// <inheritdoc/>
    public override async ValueTask<bool> TryOpen()
    {
        await _stages.Block(Host);
        return _isOpen = await _memory.TryMapAll();
    }

    /// <inheritdoc/>
    protected override ValueTask FollowRoute()
    {
        if (Route.Kind == RouteKind.FirstStage)
            return _stages.Nest(Host, new(Route.Table.Value), Route.Levels, Route.FirstStage);
        return ReachesAll ? _stages.Open(Host) : _stages.Block(Host);
    }

    /// <inheritdoc/>
    protected override async ValueTask FollowTables(GuestInvalidations invalidated)
    {
        if (Route.Kind != RouteKind.FirstStage)
            return;
        if (invalidated.HasWhole(Route.Domain))
        {
            await _stages.InvalidateAll(Host);
            return;
        }

        foreach ((ulong first, ulong end) in invalidated.RangesOf(Route.Domain))
            await _stages.Invalidate(Host, new(first), BitOperations.Log2((end - first) / FrameSize.Page4K.Bytes));
    }
}
