using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Memory that a controller of the host can reach.</summary>
/// <param name="DeviceAddress">The first byte as the controller sees it.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Memory">The same as the host's software sees it; null for memory of a guest, with which it has nothing to do.</param>
public sealed record HostUsbBuffer(Iova DeviceAddress, int Length, MemoryBuffer? Memory);
