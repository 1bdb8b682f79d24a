namespace Dma.Vmm;

/// <summary>A register, or a half of one, as the poller compares it.</summary>
/// <param name="Offset">Its first byte behind the BAR.</param>
/// <param name="Width">4 or 8 bytes.</param>
/// <param name="Name">Its name in the manual.</param>
/// <param name="Class">What a write to it means.</param>
public readonly record struct PolledCell(int Offset, int Width, string Name, RegisterClass Class);
