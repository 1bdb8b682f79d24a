namespace Dma.Vmm;

/// <summary>A stretch of time of a controller that is shared in time; one begins where the one before ended.</summary>
/// <param name="Machine">The VM that it is about: in <see cref="TurnPhase.Quiesce"/> and <see cref="TurnPhase.Save"/> the one before, in <see cref="TurnPhase.Switch"/> and <see cref="TurnPhase.Load"/> the next one; null for none.</param>
/// <param name="Phase">What happened.</param>
/// <param name="StartNs">When it began.</param>
/// <param name="EndNs">When it ended.</param>
public readonly record struct TurnSpan(VirtualMachine? Machine, TurnPhase Phase, ulong StartNs, ulong EndNs)
{
    /// <summary>How long it was.</summary>
    public ulong LengthNs => EndNs - StartNs;
}
