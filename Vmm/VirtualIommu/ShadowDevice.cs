using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>An assigned device behind a virtual remapping unit: what the guest's tables say of it, and the domain that follows them.</summary>
/// <remarks>Each device has a domain of its own, also where a guest puts several into one: domain-ids of guests mean nothing on the host.</remarks>
internal sealed class ShadowDevice
{
    private readonly VirtualIommu _iommu;
    private readonly VirtualMachine _machine;
    private readonly ShadowDomain _domain;
    private readonly Gate _gate = new();
    private RequesterRoute _route = new(RouteKind.Blocked);

    /// <summary>A device of which the guest knows nothing yet.</summary>
    public ShadowDevice(VirtualIommu iommu, VirtualMachine machine, SourceId host, RemappingDomain domain) =>
        (_iommu, _machine, Host, _domain) = (iommu, machine, host, new(machine, domain));

    /// <summary>The requester as the host knows it.</summary>
    public SourceId Host { get; }

    /// <summary>The requester as the guest knows it; null while it does not.</summary>
    public SourceId? Guest { get; private set; }

    /// <summary>How many pages are pinned for it.</summary>
    public ulong PinnedPages => _domain.PinnedPages;

    /// <inheritdoc cref="ShadowDomain.PagesRefused"/>
    public ulong PagesRefused => _domain.PagesRefused;

    /// <summary>The guest gets the device: it reaches what the guest's tables say of it when this completes.</summary>
    public ValueTask Connect(SourceId guest)
    {
        Guest = guest;
        return FollowRoute();
    }

    /// <summary>The guest has it no more, and it reaches nothing when this completes.</summary>
    public ValueTask Disconnect()
    {
        Guest = null;
        return FollowRoute();
    }

    /// <summary>Rereads what the guest has invalidated.</summary>
    public async ValueTask Follow(GuestInvalidations invalidated)
    {
        if (invalidated.Contexts)
            await FollowRoute();
        await _gate.Enter();
        try
        {
            if (_route.Kind != RouteKind.SecondStage)
                return;
            if (invalidated.HasWhole(_route.Domain))
            {
                await Set(0, _domain.AddressEnd);
                return;
            }

            foreach ((ulong first, ulong end) in invalidated.RangesOf(_route.Domain))
            {
                if (first < _domain.AddressEnd)
                    await Set(first, Math.Min(end, _domain.AddressEnd));
            }
        }
        finally
        {
            _gate.Leave();
        }
    }

    // Another table, another kind of service, another domain-id: all of it is looked at anew.
    private async ValueTask FollowRoute()
    {
        await _gate.Enter();
        try
        {
            RequesterRoute route = Guest is { } guest ? _iommu.Unit.RouteOf(guest) : new(RouteKind.Blocked);
            if (route == _route)
                return;
            _route = route;
            await Set(0, _domain.AddressEnd);
        }
        finally
        {
            _gate.Leave();
        }
    }

    private ValueTask Set(ulong first, ulong end)
    {
        (first, end) = _domain.Widen(first, end);
        List<ShadowPiece> wanted = [];
        if (_route.Kind == RouteKind.SecondStage)
            (first, end) = AddPages(wanted, first, end);
        else if (_route.Kind == RouteKind.PassThrough || (_route.Kind == RouteKind.Untranslated && _iommu.Options.BeforeTranslation == BeforeTranslation.AllMemory))
            AddAllMemory(wanted);
        return _domain.Set(first, end, wanted);
    }

    // Pages that reach into the range are looked at as a whole, and so is all that they cover.
    private (ulong First, ulong End) AddPages(List<ShadowPiece> wanted, ulong first, ulong end)
    {
        while (true)
        {
            int pagesMax = (int)Math.Min(_machine.PinnedPagesMax, int.MaxValue - 1) + 1;
            IReadOnlyList<SecondStagePage> pages = _iommu.Pages.Read(_route, first, end, _iommu.Options.TablesMax, pagesMax);
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
