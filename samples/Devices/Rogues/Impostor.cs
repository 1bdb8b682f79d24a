using Dma.Machine;

namespace Dma.Devices;

/// <summary>A device that puts the name of another one on its requests.</summary>
public sealed class Impostor : RogueDevice
{
    /// <inheritdoc/>
    public override string Habit => "writes to its neighbour's buffer in the neighbour's name";

    /// <inheritdoc/>
    public override DmaStatus Misbehave(in RogueTarget target)
    {
        IDmaPort forged = OpenForged(target.Neighbour);
        DmaStatus status = WriteMark(forged, target.NeighbourBuffer.Value);
        CloseForged(forged);
        return status;
    }
}
