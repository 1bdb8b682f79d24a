using Dma.Hal;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A VM of a world: it may end and begin again, each time as a new machine with a secret of its own.</summary>
/// <param name="index">Its number in the program.</param>
/// <param name="name">What it is called.</param>
/// <param name="spec">Its memory.</param>
internal sealed class WorldGuest(int index, string name, WorldGuestSpec spec)
{
    /// <summary>How long what was unmapped may wait, in nanoseconds.</summary>
    public const ulong WaitingNsMax = 200_000;

    private const int WaitingMax = 4;

    /// <summary>Its number in the program.</summary>
    public int Index => index;

    /// <summary>What it is called.</summary>
    public string Name => name;

    /// <summary>Pages of memory.</summary>
    public int Pages => spec.Pages;

    /// <summary>How many of them have a frame at a time; 0 for all.</summary>
    public int LazyFrames => spec.LazyFrames;

    /// <summary>When its devices get its memory and lose it again.</summary>
    public MappingPolicy Policy => spec.Policy;

    /// <summary>Whether it has a remapping unit of its own.</summary>
    public bool HasIommu => spec.HasIommu;

    /// <summary>That unit, as its software drives it; null where it has none, or while there is no machine.</summary>
    public GuestIommu? Iommu { get; set; }

    /// <summary>The policy, with bounds that worlds reach.</summary>
    public MappingOptions Mapping { get; } = new()
    {
        Policy = spec.Policy,
        WaitingMax = WaitingMax,
        WaitingNsMax = WaitingNsMax,
        PoolBytes = Math.Max(1, spec.Pages / 4) * FrameAllocator.FrameSize,
    };

    /// <summary>Its own software that behaves; null while there is no machine.</summary>
    public WorldHal? Hal { get; set; }

    /// <summary>The machine; null while there is none.</summary>
    public VirtualMachine? Machine { get; set; }

    /// <summary>A doubleword that fills its memory in the beginning, and that nobody else knows.</summary>
    public uint Secret { get; set; }

    /// <summary>The numbers of the frames of the host that it got when it began; none while there is no machine, or where they come when pages are touched.</summary>
    public ulong[] Frames { get; set; } = [];

    /// <summary>The first byte of the frame behind a page, counted modulo how many there are; 0 where it has none now.</summary>
    public ulong FrameOf(int page) => Machine?.Memory.Tables.Walk(new((ulong)(page % Pages) << 12), EptRights.Read) is { Outcome: EptOutcome.Mapped } found
        ? found.Address.Value & ~0xFFFul
        : 0;
}
