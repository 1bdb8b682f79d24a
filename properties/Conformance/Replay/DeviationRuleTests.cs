using System.Text.RegularExpressions;
using Dma.Lab;

namespace Dma.Properties;

/// <summary>The rules by which recorded cases may differ, and the document that gives their reasons.</summary>
public sealed partial class DeviationRuleTests
{
    private static readonly DeviationRules _rules = DeviationRules.Load();

    [Fact]
    public void Each_rule_has_a_row_in_the_document_and_the_document_names_no_others()
    {
        string document = File.ReadAllText(Path.Combine(SharedFiles.RepositoryRoot, "docs", "deviations.md"));
        string[] named = [.. document.Split('\n').Where(line => line.StartsWith('|')).SelectMany(line => Named().Matches(line.Split('|')[^2])).Select(match => match.Groups[1].Value)];
        Assert.Equal(_rules.Rules.Select(rule => rule.Id).Order(StringComparer.Ordinal), named.Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Each_rule_is_of_its_own_name_and_says_why_and_where_it_is_written()
    {
        Assert.Distinct(_rules.Rules.Select(rule => rule.Id));
        Assert.All(_rules.Rules, rule =>
        {
            Assert.Matches("^[a-z0-9-]+$", rule.Id);
            Assert.False(string.IsNullOrWhiteSpace(rule.Reason));
            Assert.Matches(@"^[0-9]+(\.[0-9]+)?( row [0-9]+)?(, [0-9]+(\.[0-9]+)?( row [0-9]+)?)*$", rule.Section);
        });
    }

    [Fact]
    public void Each_rule_says_one_thing_that_can_happen()
    {
        Assert.All(_rules.Rules, rule =>
        {
            int kinds = (rule.Outcomes.Count != 0 ? 1 : 0) + (rule.Registers.Count != 0 ? 1 : 0) + (rule.Queue != QueueBehaviour.None ? 1 : 0) + (rule.Stale ? 1 : 0) + (rule.Dirty ? 1 : 0) + (rule.Destination ? 1 : 0) + (rule.Withdrawal ? 1 : 0);
            Assert.Equal(1, kinds);
            Assert.All(rule.Outcomes.Keys.Concat(rule.Outcomes.Values), outcome => Assert.Matches("^(ok|dropped|(blocked|suppressed) [1-9A-F][0-9A-F]?)$", outcome));
            Assert.All(rule.Registers, field => Assert.True(RegisterNames.Knows(field.Register), field.Register));
        });
    }

    [GeneratedRegex("`([a-z0-9-]+)`")]
    private static partial Regex Named();
}
