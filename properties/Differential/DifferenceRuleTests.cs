namespace Dma.Properties;

/// <summary>The rules and what is said about them.</summary>
public sealed class DifferenceRuleTests
{
    [Fact]
    public void Each_known_difference_is_in_the_document_with_its_reason_and_no_other()
    {
        string[] lines = File.ReadAllLines(Path.Combine(SharedFiles.RepositoryRoot, "docs", "differential.md"));
        string[] told = [.. lines.SkipWhile(line => line != "|---|---|").Skip(1).TakeWhile(line => line.StartsWith('|'))];
        Assert.Equal(DifferenceRules.All.Select(rule => $"| {rule.Name} | {rule.Reason} |"), told);
    }

    [Fact]
    public void No_two_known_differences_have_the_same_name() =>
        Assert.Equal(DifferenceRules.All.Count, DifferenceRules.All.Select(rule => rule.Name).Distinct().Count());

    [Fact]
    public void A_rule_that_was_never_used_counts_none()
    {
        RuleUse use = new();
        use.Count("one");
        use.Count("one");
        RuleUse sum = new();
        sum.Add(use);
        sum.Add(use);
        Assert.Equal((4, 0), (sum.Of("one"), sum.Of("two")));
        Assert.Contains("4 one", sum.ToString(), StringComparison.Ordinal);
    }
}
