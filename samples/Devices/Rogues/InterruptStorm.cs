using Dma.Machine;

namespace Dma.Devices;

/// <summary>A device that raises its own interrupt again and again, so that nobody gets anything else done.</summary>
/// <param name="loop">The time it lives in.</param>
public sealed class InterruptStorm(EventLoop loop) : RogueDevice
{
    /// <summary>How many interrupts there are.</summary>
    public const int Count = 1000;

    /// <summary>How far apart they are, in nanoseconds.</summary>
    public const ulong GapNs = 5000;

    private int _left;

    /// <inheritdoc/>
    public override string Habit => $"raises its own interrupt {Count} times";

    /// <inheritdoc/>
    public override DmaStatus Misbehave(in RogueTarget target)
    {
        _left = Count;
        _ = loop.Schedule(GapNs, Raise);
        return DmaStatus.Success;
    }

    /// <inheritdoc/>
    protected override void OnReset()
    {
        base.OnReset();
        _left = 0;
    }

    private void Raise()
    {
        if (_left == 0)
            return;
        _left--;
        RaiseInterrupt();
        _ = loop.Schedule(GapNs, Raise);
    }
}
