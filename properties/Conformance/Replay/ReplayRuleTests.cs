using System.Text.Json;
using Dma.Iommu;
using Dma.Lab;

namespace Dma.Properties;

/// <summary>Scripts of our own with the answers of QEMU, and the rules that must be found for each.</summary>
/// <remarks>Most were recorded with QEMU 7.2; what only newer ones do was written by hand from what is known of them.</remarks>
public sealed class ReplayRuleTests
{
    private static readonly DeviationRules _rules = DeviationRules.Load();

    private static string Variations => Path.Combine(SharedFiles.RepositoryRoot, "properties", "Conformance", "Replay", "variations.json");

    [Fact]
    public void Each_script_is_explained_by_the_rules_that_are_listed_for_it_and_no_others()
    {
        CaseFile file = CaseFile.Read(Variations, HardwareProfile.Named("qemu"));
        Dictionary<string, string[]> listed = Listed();
        Assert.Equal(listed.Count, file.Cases.Count);
        Assert.All(file.Cases, one =>
        {
            CaseVerdict verdict = CasePlayer.Play(one, file.RamBytes, _rules);
            Assert.True(verdict.Outcome != CaseOutcome.Failed, $"step {verdict.Failure?.Step.Number}: expected {verdict.Failure?.Expected}, got {verdict.Failure?.Got}");
            Assert.Equal(listed[one.Id], verdict.Rules);
        });
    }

    [Fact]
    public void Without_rules_each_script_that_needs_some_fails()
    {
        CaseFile file = CaseFile.Read(Variations, HardwareProfile.Named("qemu"));
        Dictionary<string, string[]> listed = Listed();
        DeviationRules none = new() { Rules = [] };
        Assert.All(file.Cases, one => Assert.Equal(
            listed[one.Id].Length == 0 ? CaseOutcome.Passed : CaseOutcome.Failed,
            CasePlayer.Play(one, file.RamBytes, none).Outcome));
    }

    private static Dictionary<string, string[]> Listed()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Variations));
        return document.RootElement.GetProperty("cases").EnumerateArray().ToDictionary(
            one => one.GetProperty("id").GetString()!,
            one => one.GetProperty("rules").EnumerateArray().Select(rule => rule.GetString()!).ToArray());
    }
}
