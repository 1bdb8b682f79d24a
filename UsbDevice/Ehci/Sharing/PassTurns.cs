namespace Dma.UsbDevice;

/// <summary>Round robin by pass: a whole round over the list of a set, then the next set.</summary>
internal sealed class PassTurns : TurnPolicy
{
    // A list that never comes back to where it began is left after so many visits.
    private const int VisitsMax = 1024;

    /// <inheritdoc/>
    public override bool Begin(EhciRegisterSet set)
    {
        set.Share.Pass = (set.AsyncPosition, 0);
        return true;
    }

    /// <inheritdoc/>
    public override bool IsOver(EhciRegisterSet set, uint spentNs)
    {
        (uint start, int visits) = set.Share.Pass;
        set.Share.Pass = (start, visits + 1);
        return set.AsyncPosition == start || visits + 1 >= VisitsMax;
    }
}
