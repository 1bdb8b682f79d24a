namespace Dma.Vmm;

/// <summary>Draws how a controller goes from one VM to the next into a timeline: whose turn it is, and what the VMM does between turns.</summary>
/// <param name="timeline">The timeline.</param>
public sealed class TurnTimeline(Timeline timeline) : ITurnObserver
{
    private readonly TimelineTrack _turns = timeline.Track("controller", "turns");
    private readonly TimelineTrack _switches = timeline.Track("VMM", "switches");

    /// <inheritdoc/>
    public void Passed(in TurnSpan span)
    {
        if (span.Phase == TurnPhase.Run)
            timeline.Slice(_turns, span.Machine!.Name, span.StartNs, span.LengthNs);
        else if (span.Phase != TurnPhase.Idle)
            timeline.Slice(_switches, $"{span.Phase} {span.Machine!.Name}", span.StartNs, span.LengthNs);
    }
}
