using Dma.Iommu;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Isolation groups of hierarchies, compared with a model that follows requests one by one.</summary>
public sealed class IsolationGroupTests
{
    private static readonly SourceId Root = new(0, 1, 0);

    [Fact]
    public void Groups_are_those_of_a_model_that_follows_every_request()
    {
        Property.Check(Topologies, topology =>
        {
            IsolationGroups groups = IsolationGroups.Of(topology);
            Assert.Equal(new TopologyModel(topology).Groups(), groups.All.Select(group => group.ToString()).ToHashSet());
            Assert.Equal(topology.Length, groups.All.Sum(group => group.Functions.Count));
        }, count: 300);
    }

    [Fact]
    public void Each_group_tells_why_any_two_are_together_by_links_that_join()
    {
        Property.Check(Topologies, topology =>
        {
            foreach (IsolationGroup group in IsolationGroups.Of(topology).All)
            {
                SourceId from = group.Functions[0], to = group.Functions[^1];
                IReadOnlyList<GroupLink> path = group.Explain(from, to);
                Assert.Equal(from == to, path.Count == 0);
                SourceId at = from;
                foreach (GroupLink link in path)
                {
                    Assert.Equal(at, link.From);
                    Assert.NotEqual(GroupReason.None, link.Reason);
                    Assert.Contains(link.Cause.ToString(), link.ToString(), StringComparison.Ordinal);
                    TopologyFunction cause = topology.Single(function => function.Source == link.Cause);
                    Assert.True(!cause.Isolates || cause.SharesRequester);
                    at = link.To;
                }

                Assert.Equal(to, at);
            }
        });
    }

    [Fact]
    public void Order_of_the_functions_does_not_matter_and_more_access_control_never_joins()
    {
        Property.Check(Topologies, topology =>
        {
            HashSet<string> groups = Names(topology);
            Assert.Equal(groups, Names([.. topology.Reverse()]));
            TopologyFunction[] stricter = [.. topology.Select(function => function with { AccessControls = AccessControls.Usual })];
            foreach (IsolationGroup group in IsolationGroups.Of(stricter).All)
                Assert.Contains(IsolationGroups.Of(topology).All, larger => group.Functions.All(larger.Functions.Contains));
        });
    }

    [Theory]
    [InlineData(AccessControls.None, AccessControls.Usual, 1)]
    [InlineData(AccessControls.Usual, AccessControls.Usual, 2)]
    [InlineData(AccessControls.Usual, AccessControls.None, 1)]
    [InlineData(AccessControls.Usual, AccessControls.Usual & ~AccessControls.UpstreamForwarding, 1)]
    [InlineData(AccessControls.Usual, AccessControls.Usual & ~AccessControls.TranslationBlocking, 2)]
    public void Two_devices_of_a_switch_are_apart_only_where_every_port_on_their_ways_sends_requests_up(
        AccessControls rootPort, AccessControls downstreamPort, int groups)
    {
        TopologyFunction[] topology =
        [
            new(Root, null, true, PciExpressType.RootPort, rootPort),
            new(new(1, 0, 0), Root, true, PciExpressType.SwitchUpstreamPort, AccessControls.None),
            new(new(2, 0, 0), new(1, 0, 0), true, PciExpressType.SwitchDownstreamPort, downstreamPort),
            new(new(2, 1, 0), new(1, 0, 0), true, PciExpressType.SwitchDownstreamPort, AccessControls.Usual),
            new(new(3, 0, 0), new(2, 0, 0), false, PciExpressType.Endpoint, AccessControls.None),
            new(new(4, 0, 0), new(2, 1, 0), false, PciExpressType.Endpoint, AccessControls.None),
        ];
        IsolationGroups found = IsolationGroups.Of(topology);
        Assert.Equal(groups, found.All.Count(group => group.Functions.Any(function => function.Bus >= 3)));
        if (groups == 1)
            Assert.NotEmpty(found.Find(new(3, 0, 0))!.Explain(new(3, 0, 0), new(4, 0, 0)));
    }

    [Fact]
    public void Hierarchies_that_contradict_themselves_are_refused()
    {
        TopologyFunction device = new(new(1, 0, 0), Root, false, PciExpressType.Endpoint, AccessControls.None);
        Assert.Throws<ArgumentException>(() => IsolationGroups.Of([device]));
        Assert.Throws<ArgumentException>(() => IsolationGroups.Of([device with { BridgeAbove = null }, device with { BridgeAbove = null }]));
        IsolationGroup alone = IsolationGroups.Of([device with { BridgeAbove = null }]).All.Single();
        Assert.Empty(alone.Explain(device.Source, device.Source));
        Assert.Throws<ArgumentException>(() => alone.Explain(device.Source, Root));
    }

    private static HashSet<string> Names(TopologyFunction[] topology) => [.. IsolationGroups.Of(topology).All.Select(group => group.ToString())];

    // Grown function by function: each comes on a bus that exists, at a place that is free.
    private static Gen<TopologyFunction[]> Topologies { get; } =
        from size in Gen.Choose(1, 24)
        from numbers in Gen.ArrayOf(Gen.Choose(0, int.MaxValue), size * 5)
        select Grow(numbers);

    private static TopologyFunction[] Grow(int[] numbers)
    {
        AccessControls[] controls =
            [AccessControls.None, AccessControls.Usual, AccessControls.Usual & ~AccessControls.PeerRequestRedirect, TopologyFunction.Isolating];
        PciExpressType?[] bridgeTypes =
        [
            PciExpressType.RootPort, PciExpressType.SwitchUpstreamPort, PciExpressType.SwitchDownstreamPort,
            PciExpressType.SwitchDownstreamPort, PciExpressType.ExpressToConventional, null,
        ];
        List<TopologyFunction> functions = [];
        List<(int Bus, SourceId? Above)> buses = [(0, null)];
        for (int at = 0; at + 5 <= numbers.Length; at += 5)
        {
            (int bus, SourceId? above) = buses[numbers[at] % buses.Count];
            SourceId place = new(bus, numbers[at + 1] % 4, numbers[at + 2] % 3);
            if (functions.Exists(function => function.Source == place))
                continue;
            bool isBridge = numbers[at + 3] % 2 == 0;
            PciExpressType? type = isBridge ? bridgeTypes[numbers[at + 3] / 2 % bridgeTypes.Length] : PciExpressType.Endpoint;
            functions.Add(new(place, above, isBridge, type, controls[numbers[at + 4] % controls.Length]));
            if (isBridge)
                buses.Add((buses.Count, place));
        }

        return [.. functions];
    }
}
