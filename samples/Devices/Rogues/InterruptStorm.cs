using Dma.Machine;

namespace Dma.Devices;

/// <summary>A device that raises its own interrupt again and again, so that nobody gets anything else done.</summary>
public sealed class InterruptStorm : RogueDevice
{
    /// <summary>How many interrupts there are.</summary>
    public const int Count = 1000;

    /// <inheritdoc/>
    public override string Habit => $"raises its own interrupt {Count} times";

    /// <inheritdoc/>
    public override DmaStatus Misbehave(in RogueTarget target)
    {
        for (int count = 0; count < Count; count++)
            RaiseInterrupt();
        return DmaStatus.Success;
    }
}
