using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>What a shared controller asks the VMM about a request of a guest, or tells it.</summary>
/// <param name="State">A question, or what became of a request or a device.</param>
/// <param name="Set">The register set of the guest, from 0 on.</param>
/// <param name="Address">The device, as the guest calls it.</param>
/// <param name="Real">Its address on the bus; 0 where it has none, or none any more.</param>
/// <param name="IsSplit">Whether the device is behind a transaction translator.</param>
/// <param name="Setup">The request, as the guest meant it.</param>
public readonly record struct RequestNotice(HeldState State, int Set, byte Address, byte Real, bool IsSplit, SetupPacket Setup);
