using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A token of a register set, as its driver meant it and as it went out.</summary>
/// <param name="Set">The register set, from 0 on.</param>
/// <param name="Asked">With the addresses of the driver.</param>
/// <param name="Sent">With the addresses on the bus; <c>null</c> where nothing went out.</param>
/// <param name="Answer">What the device answered.</param>
public readonly record struct TokenUse(int Set, UsbToken Asked, UsbToken? Sent, UsbPid Answer);
