using Dma.Machine;

namespace Dma.Devices;

/// <summary>A device that writes the message of somebody else's interrupt.</summary>
public sealed class InterruptForger : RogueDevice
{
    /// <inheritdoc/>
    public override string Habit => "raises the interrupt of its neighbour";

    /// <inheritdoc/>
    public override DmaStatus Misbehave(in RogueTarget target) =>
        Dma.Write(new(target.NeighbourInterrupt.Address), BitConverter.GetBytes(target.NeighbourInterrupt.Data));
}
