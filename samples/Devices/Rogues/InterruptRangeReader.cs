using Dma.Machine;

namespace Dma.Devices;

/// <summary>A device that reads where interrupts are written, to see whether anything is there.</summary>
public sealed class InterruptRangeReader : RogueDevice
{
    /// <inheritdoc/>
    public override string Habit => "reads the interrupt range";

    /// <inheritdoc/>
    public override DmaStatus Misbehave(in RogueTarget target) => Dma.Read(new(InterruptRange.First), Loot);
}
