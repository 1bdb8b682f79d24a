namespace Dma.Machine;

/// <summary>One register of a register file.</summary>
/// <param name="Offset">Its first byte in the window, a multiple of <paramref name="Width"/>.</param>
/// <param name="Width">1, 2, 4 or 8 bytes.</param>
/// <param name="Name">Its name in the manual, in capitals.</param>
/// <param name="Rule">How it answers writes.</param>
public readonly record struct Register(int Offset, int Width, string Name, RegisterRule Rule);
