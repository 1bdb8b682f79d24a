using Dma.Machine;
using QuikGraph;
using QuikGraph.Algorithms;

namespace Dma.Iommu;

/// <summary>Which functions of a PCI hierarchy a remapping unit can keep apart, and which it cannot.</summary>
/// <remarks>
/// <code>
///              root            what makes links (only what the unit never sees, or cannot tell apart)
///               |              ----------------------------------------------------------------------
///             port             a port without access control: itself and all below, its peers and all below those
///             /   \            a bridge to a conventional bus: itself and all below
///          port   port         a function of several without access control: its device, and all below
///           |      |
///        device  device        groups are the connected components
/// </code>
/// The root itself is trusted to send every request through its remapping unit, also from one of its ports to another,
/// where these are devices of their own.
/// </remarks>
public sealed class IsolationGroups
{
    private readonly Dictionary<SourceId, IsolationGroup> _byFunction = [];

    private IsolationGroups(IReadOnlyList<IsolationGroup> all)
    {
        All = all;
        foreach (IsolationGroup group in all)
        {
            foreach (SourceId function in group.Functions)
                _byFunction.Add(function, group);
        }
    }

    /// <summary>All groups, by their lowest function.</summary>
    public IReadOnlyList<IsolationGroup> All { get; }

    /// <summary>The group of a function; null where the hierarchy has none such.</summary>
    public IsolationGroup? Find(SourceId function) => _byFunction.GetValueOrDefault(function);

    /// <summary>The groups of a hierarchy.</summary>
    /// <param name="functions">All its functions, in any order.</param>
    /// <exception cref="ArgumentException">Two are at one place, or one is below a bridge that is not among them.</exception>
    public static IsolationGroups Of(IReadOnlyCollection<TopologyFunction> functions)
    {
        UndirectedGraph<SourceId, TaggedEdge<SourceId, GroupLink>> links = new GroupLinks(functions).Graph;
        Dictionary<SourceId, int> components = [];
        _ = links.ConnectedComponents(components);
        return new(
        [
            .. components.GroupBy(pair => pair.Value, pair => pair.Key)
                .Select(group => new IsolationGroup(links, [.. group.OrderBy(function => function.Value)]))
                .OrderBy(group => group.Functions[0].Value),
        ]);
    }
}
