using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A VM of a world: it may end and begin again, each time as a new machine with a secret of its own.</summary>
/// <param name="index">Its number in the program.</param>
/// <param name="name">What it is called.</param>
/// <param name="pages">Pages of memory.</param>
internal sealed class WorldGuest(int index, string name, int pages)
{
    /// <summary>Its number in the program.</summary>
    public int Index => index;

    /// <summary>What it is called.</summary>
    public string Name => name;

    /// <summary>Pages of memory.</summary>
    public int Pages => pages;

    /// <summary>The machine; null while there is none.</summary>
    public VirtualMachine? Machine { get; set; }

    /// <summary>A doubleword that fills its memory in the beginning, and that nobody else knows.</summary>
    public uint Secret { get; set; }

    /// <summary>The number of the frame of the host behind each of its pages, as they were when it began; empty while there is no machine.</summary>
    public ulong[] Frames { get; set; } = [];

    /// <summary>The frame of the host behind a page, counted modulo how many there are.</summary>
    public ulong FrameOf(int page) => Frames.Length == 0 ? 0 : Frames[page % Frames.Length] << 12;

    /// <summary>The number of the frame behind an address of its memory.</summary>
    public ulong FrameAt(GuestPhysicalAddress address) => Frames[address.Page];
}
