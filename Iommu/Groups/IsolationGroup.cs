using Dma.Machine;
using QuikGraph;
using QuikGraph.Algorithms.Observers;
using QuikGraph.Algorithms.Search;

namespace Dma.Iommu;

/// <summary>Functions that cannot be kept apart by a remapping unit, and so have one owner.</summary>
public sealed class IsolationGroup
{
    private readonly UndirectedGraph<SourceId, TaggedEdge<SourceId, GroupLink>> _links;

    internal IsolationGroup(UndirectedGraph<SourceId, TaggedEdge<SourceId, GroupLink>> links, IReadOnlyList<SourceId> functions) =>
        (_links, Functions) = (links, functions);

    /// <summary>Its functions, bridges included, lowest source-id first.</summary>
    public IReadOnlyList<SourceId> Functions { get; }

    /// <summary>Why two of its functions are together: a shortest way from the one to the other.</summary>
    /// <returns>The links in order, each beginning where the one before ends; none from a function to itself.</returns>
    /// <exception cref="ArgumentException">One of them is not in this group.</exception>
    public IReadOnlyList<GroupLink> Explain(SourceId from, SourceId to)
    {
        if (!Functions.Contains(from) || !Functions.Contains(to))
            throw new ArgumentException($"{from} and {to} are not both in this group.");
        UndirectedBreadthFirstSearchAlgorithm<SourceId, TaggedEdge<SourceId, GroupLink>> search = new(_links);
        UndirectedVertexPredecessorRecorderObserver<SourceId, TaggedEdge<SourceId, GroupLink>> ways = new();
        using (ways.Attach(search))
            search.Compute(from);
        if (!ways.TryGetPath(to, out IEnumerable<TaggedEdge<SourceId, GroupLink>> way))
            return [];

        // Edges have no direction: each is told in the direction of travel.
        List<GroupLink> path = [];
        SourceId at = from;
        foreach (TaggedEdge<SourceId, GroupLink> edge in way)
        {
            path.Add(edge.Tag.From == at ? edge.Tag : edge.Tag with { From = at, To = edge.Tag.From });
            at = path[^1].To;
        }

        return path;
    }

    /// <summary>Its functions, for people.</summary>
    public override string ToString() => string.Join(", ", Functions);
}
