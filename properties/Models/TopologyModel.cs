using Dma.Iommu;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Who reaches whom in a hierarchy, one request at a time: a slow and obvious second opinion on isolation groups.</summary>
internal sealed class TopologyModel
{
    private readonly TopologyFunction[] _functions;
    private readonly Dictionary<SourceId, TopologyFunction> _at;

    public TopologyModel(IReadOnlyCollection<TopologyFunction> functions) =>
        (_functions, _at) = ([.. functions], functions.ToDictionary(function => function.Source));

    /// <summary>The groups: who reaches whom, or takes whose name, in any number of steps.</summary>
    public HashSet<string> Groups()
    {
        int count = _functions.Length;
        bool[,] together = new bool[count, count];
        for (int one = 0; one < count; one++)
        {
            for (int other = 0; other < count; other++)
                together[one, other] = one == other || IsTogether(_functions[one], _functions[other]) || IsTogether(_functions[other], _functions[one]);
        }

        for (int by = 0; by < count; by++)
        {
            for (int one = 0; one < count; one++)
            {
                for (int other = 0; other < count; other++)
                    together[one, other] |= together[one, by] && together[by, other];
            }
        }

        return [.. Enumerable.Range(0, count).Select(one => string.Join(
            ", ", Enumerable.Range(0, count).Where(other => together[one, other]).Select(other => _functions[other].Source).OrderBy(source => source.Value)))];
    }

    // Follows a request from a function on its way up, and looks where it could go instead.
    private bool IsTogether(TopologyFunction from, TopologyFunction to)
    {
        if (LeavesDevice(from, to))
            return true;
        for (TopologyFunction? bridge = Above(from); bridge is { } here; bridge = Above(here))
        {
            // Under the name of the bridge, it is as good as one of the bridge, or of anything else below.
            if (here.SharesRequester && IsAtOrBelow(to, here))
                return true;
            if (here.IsPort && !here.Isolates && IsAtOrBelow(to, here))
                return true;
            if (here.Type == PciExpressType.SwitchDownstreamPort && !here.Isolates
                && _functions.Any(port => port.BridgeAbove == here.BridgeAbove && IsAtOrBelow(to, port)))
            {
                return true;
            }

            if (LeavesDevice(here, to))
                return true;
        }

        return from is { Type: PciExpressType.SwitchDownstreamPort, IsBridge: true, Isolates: false }
            && _functions.Any(port => port.BridgeAbove == from.BridgeAbove && IsAtOrBelow(to, port));
    }

    private bool LeavesDevice(TopologyFunction from, TopologyFunction to) => !from.Isolates && _functions.Any(sibling =>
        sibling.Source.Bus == from.Source.Bus && sibling.Source.Device == from.Source.Device && sibling.Source != from.Source && IsAtOrBelow(to, sibling));

    private bool IsAtOrBelow(TopologyFunction function, TopologyFunction top)
    {
        for (TopologyFunction? at = function; at is { } here; at = Above(here))
        {
            if (here.Source == top.Source)
                return true;
        }

        return false;
    }

    private TopologyFunction? Above(TopologyFunction function) => function.BridgeAbove is { } above ? _at[above] : null;
}
