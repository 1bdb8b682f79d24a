using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A VM of a world: it may end and begin again, each time as a new machine with a secret of its own.</summary>
/// <param name="index">Its number in the program.</param>
/// <param name="name">What it is called.</param>
/// <param name="spec">Its memory.</param>
internal sealed class WorldGuest(int index, string name, WorldGuestSpec spec)
{
    /// <summary>Its number in the program.</summary>
    public int Index => index;

    /// <summary>What it is called.</summary>
    public string Name => name;

    /// <summary>Pages of memory.</summary>
    public int Pages => spec.Pages;

    /// <summary>How many of them have a frame at a time; 0 for all.</summary>
    public int LazyFrames => spec.LazyFrames;

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
