using Dma.Machine;
using QuikGraph;

namespace Dma.Iommu;

/// <summary>The links of a hierarchy, from which its groups follow: a graph whose edges are neighbours that cannot be kept apart.</summary>
internal sealed class GroupLinks
{
    private readonly ILookup<SourceId?, TopologyFunction> _below;
    private readonly HashSet<SourceId> _opened = [];

    /// <summary>Finds all links.</summary>
    /// <param name="functions">All functions, in any order.</param>
    /// <exception cref="ArgumentException">Two are at one place, or one is below a bridge that is not among them.</exception>
    public GroupLinks(IReadOnlyCollection<TopologyFunction> functions)
    {
        HashSet<SourceId> bridges = [.. functions.Where(function => function.IsBridge).Select(function => function.Source)];
        foreach (TopologyFunction function in functions)
        {
            if (function.BridgeAbove is { } above && !bridges.Contains(above))
                throw new ArgumentException($"{function.Source} is below {above}, which is no bridge of this hierarchy.", nameof(functions));
            if (!Graph.AddVertex(function.Source))
                throw new ArgumentException($"Two functions are at {function.Source}.", nameof(functions));
        }

        _below = functions.ToLookup(function => function.BridgeAbove);
        foreach (TopologyFunction function in functions)
            Add(function);
    }

    /// <summary>The graph.</summary>
    public UndirectedGraph<SourceId, TaggedEdge<SourceId, GroupLink>> Graph { get; } = new(allowParallelEdges: false);

    private void Add(TopologyFunction function)
    {
        // 1. A bridge that gives all requests its own name.
        if (function.SharesRequester)
            Open(function, GroupReason.SharedRequester, function.Source);

        // 2. A port that does not send requests for its peers up.
        if (function.IsPort && !function.Isolates)
            Open(function, GroupReason.TurnedBack, function.Source);
        if (function.Isolates)
            return;

        // 3. Its peers: all ports of its switch, else the other functions of its device.
        bool isDownstream = function.IsPort && function.Type == PciExpressType.SwitchDownstreamPort;
        foreach (TopologyFunction peer in _below[function.BridgeAbove])
        {
            bool isSameDevice = peer.Source.Bus == function.Source.Bus && peer.Source.Device == function.Source.Device;
            if (peer.Source == function.Source || !(isDownstream || isSameDevice))
                continue;
            GroupReason reason = isDownstream ? GroupReason.PassedToPort : GroupReason.SeveralFunctions;
            Link(function.Source, peer.Source, reason, function.Source);
            if (peer.IsBridge)
                Open(peer, GroupReason.ReachedFromAbove, function.Source);

            // What is below goes the same way.
            if (function.IsBridge)
                Open(function, reason, function.Source);
        }
    }

    // Links a bridge with all that is below, however deep: a hierarchy has 256 buses at most.
    private void Open(TopologyFunction bridge, GroupReason reason, SourceId cause)
    {
        if (!_opened.Add(bridge.Source))
            return;
        foreach (TopologyFunction child in _below[bridge.Source])
        {
            Link(bridge.Source, child.Source, reason, cause);
            if (child.IsBridge)
                Open(child, GroupReason.ReachedFromAbove, cause);
        }
    }

    private void Link(SourceId from, SourceId to, GroupReason reason, SourceId cause)
    {
        // The first reason found stays: one is enough.
        if (!Graph.ContainsEdge(from, to) && !Graph.ContainsEdge(to, from))
            _ = Graph.AddEdge(new(from, to, new(from, to, reason, cause)));
    }
}
