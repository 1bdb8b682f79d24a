using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Lab;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Scripts recorded from another implementation, played as <c>dma replay</c> plays them.</summary>
public sealed class RecordedCaseTests
{
    private static readonly DeviationRules _rules = DeviationRules.Load();

    [Theory]
    [InlineData("caps", 9)]
    [InlineData("xlat", 14)]
    [InlineData("fault", 21)]
    [InlineData("fevent", 3)]
    [InlineData("cache", 18)]
    [InlineData("qi", 21)]
    [InlineData("ir", 12)]
    [InlineData("sm", 18)]
    [InlineData("fs", 7)]
    public void A_recorded_script_gets_the_recorded_answers_or_those_of_rules(string group, int count)
    {
        CaseFile file = Given();
        RecordedCase[] cases = [.. file.Cases.Where(one => one.Id.StartsWith(group + "/", StringComparison.Ordinal))];
        Assert.Equal(count, cases.Length);
        Assert.All(cases, one =>
        {
            CaseVerdict verdict = CasePlayer.Play(one, file.RamBytes, _rules);
            Assert.True(
                verdict.Outcome is CaseOutcome.Passed or CaseOutcome.Deviates,
                $"step {verdict.Failure?.Step.Number}: expected {verdict.Failure?.Expected}, got {verdict.Failure?.Got}");
            Assert.Equal(verdict.Outcome == CaseOutcome.Deviates, verdict.Rules.Count != 0);
        });
    }

    [Fact]
    public void A_recorded_answer_that_is_changed_is_noticed()
    {
        CaseFile file = Given();
        Gen<(RecordedCase, int)> mistakes =
            from one in Gen.Elements(file.Cases.ToArray())
            from step in Gen.Elements(one.Steps.Where(step => WrongAnswers.CanBeWrong(step)).Select(step => step.Number).ToArray())
            select (one, step);
        Property.Check(mistakes, mistake =>
        {
            (RecordedCase one, int number) = mistake;
            foreach (RecordedStep wrong in WrongAnswers.Of(one, one.Steps[number]))
            {
                RecordedCase changed = one with { Steps = [.. one.Steps.Select(step => step.Number == number ? wrong : step)] };
                CaseVerdict verdict = CasePlayer.Play(changed, file.RamBytes, _rules);
                Assert.True(verdict.Outcome == CaseOutcome.Failed, $"{one.Id} {wrong}");
                Assert.Equal(number, verdict.Failure!.Step.Number);
            }
        });
    }

    // A unit that is not the one that the case describes, and a case that must notice.
    public static TheoryData<string, string> WrongUnits =>
        new()
        {
            { "rights after the walk", "fault/rsvd_and_no_perm" },
            { "every fault recorded", "fault/collapse_same_sid" },
            { "no 1 GiB pages", "xlat/l4_1g_aw48" },
            { "narrow host", "fault/rsvd_4k" },
            { "short address masks", "cache/iotlb_page_am" },
            { "faults cached", "cache/fault_not_cached" },
            { "no pass-through", "xlat/pt_type" },
            { "snoop control", "fault/rsvd_large" },
            { "no queue", "qi/wrap" },
        };

    [Theory]
    [MemberData(nameof(WrongUnits))]
    public void A_unit_that_does_something_else_fails(string mistake, string id)
    {
        CaseFile file = Given();
        RecordedCase one = file.Cases.Single(one => one.Id == id);
        Assert.NotEqual(CaseOutcome.Failed, CasePlayer.Play(one, file.RamBytes, _rules).Outcome);
        Assert.Equal(CaseOutcome.Failed, CasePlayer.Play(one with { Hardware = Wrong(one.Hardware, mistake) }, file.RamBytes, _rules).Outcome);
    }

    private static HardwareProfile Wrong(HardwareProfile right, string mistake)
    {
        CapabilityRegister capabilities = right.Capabilities;
        ExtendedCapabilityRegister extended = right.ExtendedCapabilities;
        return mistake switch
        {
            "rights after the walk" => right with { RightsOrder = RightsOrder.AfterTheWalk },
            "every fault recorded" => right with { CollapsesFaults = false },
            "no 1 GiB pages" => right with { Capabilities = capabilities with { SecondStage1G = false } },
            "narrow host" => right with { HostAddressWidth = 39 },
            "short address masks" => right with { Capabilities = capabilities with { MaximumAddressMask = 0 } },
            "faults cached" => right with { CachesFaults = true, Capabilities = capabilities with { CachingMode = true } },
            "no pass-through" => right with { ExtendedCapabilities = extended with { PassThrough = false } },
            "snoop control" => right with { ExtendedCapabilities = extended with { SnoopControl = true } },
            _ => right with { ExtendedCapabilities = extended with { QueuedInvalidation = false } },
        };
    }

    private static CaseFile Given() => CaseFile.Read(SharedFiles.Require("conformance/vtd-cases.json"), HardwareProfile.Named("qemu"));
}
