using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Cuts the time of a controller into stretches, without a gap and without an overlap.</summary>
/// <param name="loop">The time.</param>
/// <param name="observer">Who is told; may be null.</param>
internal sealed class TurnClock(EventLoop loop, ITurnObserver? observer)
{
    private ulong _sinceNs = loop.NowNs;
    private VirtualMachine? _machine;

    /// <summary>What happens now.</summary>
    public TurnPhase Phase { get; private set; }

    /// <summary>Something else begins.</summary>
    /// <param name="phase">What.</param>
    /// <param name="machine">Which VM it is about.</param>
    public void Begin(TurnPhase phase, VirtualMachine? machine)
    {
        observer?.Passed(new(_machine, Phase, _sinceNs, loop.NowNs));
        (Phase, _machine, _sinceNs) = (phase, machine, loop.NowNs);
    }
}
