using FsCheck.Fluent;
using Xunit.Sdk;

namespace Dma.Properties;

public sealed class PropertyTests
{
    [Fact]
    public void A_property_that_does_not_hold_reports_the_seed_and_the_smallest_counterexample()
    {
        FailException failure = Assert.Throws<FailException>(() =>
            Property.Check(Arb.From(Gen.Choose(1000, 2000), ArbMap.Default.ArbFor<int>().Shrinker), value => Assert.True(value < 7)));
        Assert.Contains($"DMA_SEED={Property.SeedText}", failure.Message, StringComparison.Ordinal);
        Assert.Contains("Shrunk:\n7\n", failure.Message.ReplaceLineEndings("\n"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_same_seed_gives_the_same_cases()
    {
        List<int> first = [];
        List<int> second = [];
        Property.Check(ArbMap.Default.ArbFor<int>(), first.Add);
        Property.Check(ArbMap.Default.ArbFor<int>(), second.Add);
        Assert.Equal(Property.Cases(100), first.Count);
        Assert.Equal(first, second);
    }
}
