namespace Dma.Vmm;

/// <summary>A write that reached the device by polling.</summary>
/// <param name="Offset">The first byte behind the BAR.</param>
/// <param name="Width">Bytes.</param>
/// <param name="Value">What was written.</param>
/// <param name="NowNs">When the device got it.</param>
public readonly record struct PolledWrite(int Offset, int Width, ulong Value, ulong NowNs);
