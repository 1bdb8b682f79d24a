namespace Dma.Vmm;

/// <summary>How a transfer of the host's USB stack ended, and how far it came.</summary>
/// <param name="Status">How it ended.</param>
/// <param name="Bytes">Data bytes moved, whatever the status.</param>
public readonly record struct HostUsbResult(HostUsbStatus Status, int Bytes);
