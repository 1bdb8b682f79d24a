using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>An assigned device whose domain follows the guest's tables page by page: the host's unit walks a shadow of them.</summary>
/// <remarks>Each device has a domain of its own, also where a guest puts several into one: domain-ids of guests mean nothing on the host.</remarks>
internal sealed class ShadowDevice : GuestRequester
{
    private readonly VirtualMachine _machine;
    private readonly ShadowDomain _domain;

    /// <summary>A device of which the guest knows nothing yet.</summary>
    public ShadowDevice(VirtualIommu iommu, VirtualMachine machine, SourceId host, RemappingDomain domain)
        : base(iommu, host) => (_machine, _domain) = (machine, new(machine, domain));

    /// <inheritdoc/>
    public override ulong PinnedPages => _domain.PinnedPages;

    /// <inheritdoc cref="ShadowDomain.PagesRefused"/>
    public override ulong PagesRefused => _domain.PagesRefused;

    /// <inheritdoc/>
    /// <remarks>Nothing is in its domain.</remarks>
    public override ValueTask<bool> TryOpen() => new(true);

    /// <inheritdoc/>
    protected override ValueTask FollowRoute() => Set(0, _domain.AddressEnd);

    /// <inheritdoc/>
    protected override async ValueTask FollowTables(GuestInvalidations invalidated)
    {
        if (Route.Kind != RouteKind.SecondStage)
            return;
        if (invalidated.HasWhole(Route.Domain))
        {
            await Set(0, _domain.AddressEnd);
            return;
        }

        foreach ((ulong first, ulong end) in invalidated.RangesOf(Route.Domain))
        {
            if (first < _domain.AddressEnd)
                await Set(first, Math.Min(end, _domain.AddressEnd));
        }
    }

    private ValueTask Set(ulong first, ulong end)
    {
        (first, end) = _domain.Widen(first, end);
        List<ShadowPiece> wanted = [];
        if (Route.Kind == RouteKind.SecondStage)
            (first, end) = AddPages(wanted, first, end);
        else if (ReachesAll)
            AddAllMemory(wanted);
        return _domain.Set(first, end, wanted);
    }

    // Pages that reach into the range are looked at as a whole, and so is all that they cover.
    private (ulong First, ulong End) AddPages(List<ShadowPiece> wanted, ulong first, ulong end)
    {
        while (true)
        {
            int pagesMax = (int)Math.Min(_machine.PinnedPagesMax, int.MaxValue - 1) + 1;
            IReadOnlyList<SecondStagePage> pages = Iommu.Pages.Read(Route, first, end, Iommu.Options.TablesMax, pagesMax);
            ulong widerFirst = pages.Count == 0 ? first : Math.Min(first, pages[0].Address.Value);
            ulong widerEnd = pages.Count == 0 ? end : Math.Max(end, Math.Min(_domain.AddressEnd, pages[^1].Address.Value + pages[^1].Bytes));
            if ((widerFirst, widerEnd) == (first, end))
            {
                Resolve(wanted, pages);
                return (first, end);
            }

            (first, end) = (widerFirst, widerEnd);
        }
    }

    // More than the quota is never pinned: what lies behind is not even looked for on the host.
    private void Resolve(List<ShadowPiece> wanted, IReadOnlyList<SecondStagePage> pages)
    {
        ulong asked = 0;
        foreach (SecondStagePage page in pages)
        {
            if (asked > _machine.PinnedPagesMax)
                _domain.Refuse(page.Bytes / 4096);
            else
                asked += _domain.Resolve(wanted, page.Address.Value, new(page.Target.Value), page.Bytes, DirectionOf(page), page.Bytes);
        }
    }

    private void AddAllMemory(List<ShadowPiece> wanted)
    {
        foreach ((ulong start, ulong length) in MemoryLayout.Memory(_machine.Memory.Bytes))
            _ = _domain.Resolve(wanted, start, new(start), Math.Min(length / 4096, _machine.PinnedPagesMax) * 4096, DmaDirection.Bidirectional, 4096);
    }

    private static DmaDirection DirectionOf(SecondStagePage page) =>
        (page.Read ? DmaDirection.ToDevice : 0) | (page.Write ? DmaDirection.FromDevice : 0);
}
