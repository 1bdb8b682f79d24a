using Dma.Iommu;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>An assigned device as a requester of the guest's own remapping unit: where the guest's tables lead it, and who makes the host's unit do the same.</summary>
/// <param name="iommu">The guest's unit.</param>
/// <param name="host">The requester as the host knows it.</param>
internal abstract class GuestRequester(VirtualIommu iommu, SourceId host)
{
    private readonly Gate _gate = new();

    /// <summary>The requester as the host knows it.</summary>
    public SourceId Host => host;

    /// <summary>The requester as the guest knows it; null while it does not.</summary>
    public SourceId? Guest { get; private set; }

    /// <summary>How many pages are pinned for it.</summary>
    public abstract ulong PinnedPages { get; }

    /// <summary>How many pages that the guest's tables mapped were refused.</summary>
    public abstract ulong PagesRefused { get; }

    /// <summary>The guest's unit.</summary>
    protected VirtualIommu Iommu => iommu;

    /// <summary>Where the guest's tables led it when they were last looked at.</summary>
    protected RequesterRoute Route { get; private set; } = new(RouteKind.Blocked);

    /// <summary>Whether it reaches all memory of the guest.</summary>
    protected bool ReachesAll => Route.Kind == RouteKind.PassThrough
        || (Route.Kind == RouteKind.Untranslated && iommu.Options.BeforeTranslation == BeforeTranslation.AllMemory);

    /// <summary>The device is attached to its domain; the guest knows nothing of it yet, and it reaches nothing when this completes.</summary>
    /// <returns><c>false</c> where memory or the quota of the guest do not do.</returns>
    public abstract ValueTask<bool> TryOpen();

    /// <summary>The guest gets the device: it reaches what the guest's tables say of it when this completes.</summary>
    public ValueTask Connect(SourceId guest)
    {
        Guest = guest;
        return Follow(GuestInvalidations.OfContexts);
    }

    /// <summary>The guest has it no more, and it reaches nothing when this completes.</summary>
    public ValueTask Disconnect()
    {
        Guest = null;
        return Follow(GuestInvalidations.OfContexts);
    }

    /// <summary>Follows what the guest has invalidated; when this completes, the host's unit uses nothing of it.</summary>
    public async ValueTask Follow(GuestInvalidations invalidated)
    {
        await _gate.Enter();
        try
        {
            // Another table, another kind of service, another domain-id: all of it is looked at anew.
            RequesterRoute route = Guest is { } guest ? iommu.Unit.RouteOf(guest) : new(RouteKind.Blocked);
            if (invalidated.Contexts && route != Route)
            {
                Route = route;
                await FollowRoute();
            }

            await FollowTables(invalidated);
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>The way to its tables is another one.</summary>
    protected abstract ValueTask FollowRoute();

    /// <summary>Some of what its tables say may be different.</summary>
    protected abstract ValueTask FollowTables(GuestInvalidations invalidated);
}
