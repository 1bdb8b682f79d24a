namespace Dma.Machine;

/// <summary>A transfer under way, with the translation that it began with (<see cref="AtsPort.TryBegin"/>).</summary>
/// <param name="Slot">Which of the transfers of its port.</param>
/// <param name="Number">Which one in that place, counted from 1; 0 for none.</param>
public readonly record struct AtsTransfer(int Slot, ulong Number);
