using Dma.Iommu;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>What decides a run of the scenario "direct DMA".</summary>
public sealed record DirectDmaOptions
{
    /// <summary>The disk behind the controller.</summary>
    public required IDiskImage Disk { get; init; }

    /// <summary>The remapping hardware.</summary>
    public HardwareProfile Profile { get; init; } = HardwareProfile.Named("friendly");

    /// <summary>What all that is left open comes from: contents of memory, places of buffers, addresses of attacks.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Where a capture of the USB bus goes; null for none. It stays open.</summary>
    public Stream? Capture { get; init; }

    /// <summary>Given the host when all is done: its memory goes with it.</summary>
    public Action<Host> Finished { get; init; } = static _ => { };

    /// <summary>Told how far reading is: bytes read, bytes in all.</summary>
    public Action<ulong, ulong> Progress { get; init; } = static (_, _) => { };
}
