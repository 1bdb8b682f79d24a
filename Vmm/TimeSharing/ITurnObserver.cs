namespace Dma.Vmm;

/// <summary>Sees how a controller goes from one VM to the next.</summary>
public interface ITurnObserver
{
    /// <summary>A stretch of time is over.</summary>
    void Passed(in TurnSpan span);
}
