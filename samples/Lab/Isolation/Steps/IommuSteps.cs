using Dma.Hal;
using Dma.Iommu.Spec;

namespace Dma.Lab;

/// <summary>Steps of the software of a VM that has a remapping unit of its own.</summary>
internal static class IommuSteps
{
    private const ulong TablesMax = 8;
    private const ulong EntriesMax = 511;
    private static readonly GuestParameter _guest = new();

    /// <summary>The kinds.</summary>
    public static IReadOnlyList<StepVerb> All { get; } =
    [
        new("iommu-wake", 1, static (_, step) => step.Guest(0).Iommu?.Wake(), _guest),
        new("iommu-entry", 8, static (world, step) => step.Guest(0).Iommu?.SetEntry(step[1], step[2], step.Address(3, step.Guest(0), null), (DmaDirection)(3 - step[4])),
            _guest, new NumberParameter("TABLE", TablesMax, 2, 3, 4, 5, 5, 5, 5), new NumberParameter("ENTRY", EntriesMax, 0, 0, 1, 2, 3),
            new PlaceParameter("ADDRESS", PlaceKind.Own, PlaceKind.Own, PlaceKind.Own, PlaceKind.Own, PlaceKind.Frame, PlaceKind.Number), new ChoiceParameter("rw", "w", "r", "none")),
        new("iommu-invalidate", 4, static (_, step) => Invalidate(step.Guest(0), step[1], step[2]),
            _guest, new ChoiceParameter("domain", "page"), new NumberParameter("PAGE", EntriesMax, 0, 1, 2, 3)),
        new("iommu-sync", 5, static (world, step) => Sync(world, step.Guest(0)), _guest),
    ];

    /// <summary>Tells the unit that all may have changed: from then on devices reach what tables say, and nothing else.</summary>
    public static void Sync(IsolationWorld world, WorldGuest guest)
    {
        if (guest.Iommu is not { IsKnown: true } iommu)
            return;
        ShadowCheck check = new(world, guest, iommu);
        if (iommu.Invalidate(ContextGranularity.Global, IotlbGranularity.Global, 0))
            check.Run();
    }

    private static void Invalidate(WorldGuest guest, ulong choice, ulong page)
    {
        if (guest.Iommu is { IsKnown: true } iommu)
            _ = iommu.Invalidate(ContextGranularity.Domain, choice == 0 ? IotlbGranularity.Domain : IotlbGranularity.Page, page * FrameAllocator.FrameSize);
    }
}
