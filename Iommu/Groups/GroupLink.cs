using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Two neighbours in a hierarchy that cannot be kept apart.</summary>
/// <param name="From">The one.</param>
/// <param name="To">The other one.</param>
/// <param name="Reason">Why.</param>
/// <param name="Cause">The function that does not isolate.</param>
public readonly record struct GroupLink(SourceId From, SourceId To, GroupReason Reason, SourceId Cause)
{
    /// <summary>The same as a sentence without its full stop.</summary>
    public override string ToString() => $"{From} and {To}: " + Reason switch
    {
        GroupReason.SharedRequester => $"the bridge {Cause} sends all requests from below as its own",
        GroupReason.TurnedBack => $"the port {Cause} may turn requests back",
        GroupReason.PassedToPort => $"the port {Cause} may hand requests to other ports of its switch",
        GroupReason.SeveralFunctions => $"{Cause} may reach other functions of its device",
        GroupReason.ReachedFromAbove => $"what {Cause} lets through reaches all that is below",
        _ => "nothing",
    };
}
