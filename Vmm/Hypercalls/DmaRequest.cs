using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A request of a guest to let a device reach some of its memory.</summary>
/// <param name="Machine">Who asks.</param>
/// <param name="Device">The device, by its place in the guest's PCI hierarchy.</param>
/// <param name="Start">The first byte.</param>
/// <param name="Length">Bytes, at least 1; all are memory of the guest.</param>
/// <param name="Direction">What the device shall be able to do.</param>
public readonly record struct DmaRequest(
    VirtualMachine Machine, SourceId Device, GuestPhysicalAddress Start, ulong Length, DmaDirection Direction);
