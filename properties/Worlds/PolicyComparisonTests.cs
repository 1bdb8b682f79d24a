using System.Text.Json;
using Dma.Hal;
using Dma.Lab;

namespace Dma.Properties;

/// <summary>The same work under each policy: the order of the figures that follows from what the policies are, and the verb that shows them.</summary>
public sealed class PolicyComparisonTests
{
    private static readonly PolicyComparisonOptions s_options = new() { Transfers = 64, Attacks = 4, AllowsUntranslated = true };

    public static TheoryData<string, PolicyWorkKind, int> Works => new()
    {
        { "ehci", PolicyWorkKind.Read, 1 },
        { "xhci", PolicyWorkKind.Read, 1 },
        { "xhci", PolicyWorkKind.Write, 3 },
        { "xhci", PolicyWorkKind.Mixed, 8 },
    };

    [Theory]
    [MemberData(nameof(Works))]
    public void What_is_asked_of_the_VMM_and_of_the_unit_falls_from_strict_to_static(string controller, PolicyWorkKind work, int buffers)
    {
        PolicyReport report = new PolicyComparison(s_options with { Controller = controller, Work = work, Buffers = buffers }).Run();
        Assert.True(report.IsDataEqual);
        Assert.Empty(report.BrokenPromises);
        PolicyFigures Of(MappingPolicy policy) => report.Policies[(int)policy].Figures!;
        (PolicyFigures strict, PolicyFigures deferred, PolicyFigures optimistic) = (Of(MappingPolicy.Strict), Of(MappingPolicy.Deferred), Of(MappingPolicy.Optimistic));
        (PolicyFigures bounce, PolicyFigures @static, PolicyFigures untranslated) = (Of(MappingPolicy.Bounce), Of(MappingPolicy.Static), Of(MappingPolicy.Untranslated));

        // A map and an unmap, and one invalidation for both.
        Assert.Equal((2, 1), (strict.Hypercalls, strict.Invalidations));
        Assert.Equal((2, 0), (untranslated.Hypercalls, untranslated.Invalidations));
        Assert.Equal((0, 0), (@static.Hypercalls, @static.Invalidations));
        Assert.Equal((0, 0), (bounce.Hypercalls, bounce.Invalidations));
        Assert.Equal(2, deferred.Hypercalls);
        Assert.True(deferred.Invalidations < strict.Invalidations);
        Assert.True(optimistic.Hypercalls < deferred.Hypercalls && optimistic.Invalidations < strict.Invalidations);

        // Each hypercall is an exit, and nothing else differs in that.
        foreach (PolicyLine line in report.Policies)
            Assert.Equal(@static.Exits, line.Figures!.Exits - line.Figures.Hypercalls, 3);
        Assert.True(@static.GuestNs < optimistic.GuestNs && optimistic.GuestNs < strict.GuestNs);
        Assert.True(@static.GuestNs < bounce.GuestNs);

        // Drivers map while the command is on its way, so the bus decides; on the way back the device waits for nothing.
        if (work == PolicyWorkKind.Read)
            Assert.True(@static.TimeNs <= strict.TimeNs);

        // A map copies whatever the direction, and an unmap what the device has written.
        Assert.Equal(work switch { PolicyWorkKind.Read => 2, PolicyWorkKind.Write => 1, _ => 1.5 }, bounce.CopiesPerByte, 3);
        foreach (PolicyFigures other in (PolicyFigures[])[strict, deferred, optimistic, @static, untranslated])
            Assert.Equal(0, other.CopiesPerByte);

        // What waits stays pinned; a pool is pinned as a whole, and so is all memory.
        Assert.True(strict.PinnedPagesMost <= optimistic.PinnedPagesMost && strict.PinnedPagesMost < deferred.PinnedPagesMost);
        Assert.InRange(bounce.PinnedPagesMost, (ulong)s_options.PoolBytes / 4096, ((ulong)s_options.PoolBytes / 4096) + 64);
        Assert.Equal(4096ul, @static.PinnedPagesMost);
    }

    [Theory]
    [InlineData(250, 10_000_000ul)]
    [InlineData(250, 300_000ul)]
    [InlineData(4, 10_000_000ul)]
    public void A_device_that_lies_gets_through_as_long_as_its_policy_says(int waitingMax, ulong waitingNsMax)
    {
        PolicyReport report = new PolicyComparison(s_options with { WaitingMax = waitingMax, WaitingNsMax = waitingNsMax }).Run();
        PolicyFigures Of(MappingPolicy policy) => report.Policies[(int)policy].Figures!;

        PolicyFigures strict = Of(MappingPolicy.Strict), deferred = Of(MappingPolicy.Deferred), optimistic = Of(MappingPolicy.Optimistic);
        Assert.Equal((0ul, 0, PolicyReach.Mapped), (strict.Attack.WindowNs, strict.Attack.BufferHits, strict.Reach));
        Assert.InRange(deferred.Attack.WindowNs!.Value, 1ul, waitingNsMax + 20_000);
        Assert.InRange(optimistic.Attack.WindowNs!.Value, waitingNsMax / 2, waitingNsMax + 20_000);
        Assert.Equal(4, optimistic.Attack.BufferHits);

        // Four transfers are over in a fiftieth of the time; an unmap that is the fourth flushes before it returns.
        if (waitingMax == 4)
            Assert.InRange(deferred.Attack.WindowNs!.Value, 1ul, 500_000ul);
        else
            Assert.Equal(4, deferred.Attack.BufferHits);

        PolicyFigures bounce = Of(MappingPolicy.Bounce), @static = Of(MappingPolicy.Static), untranslated = Of(MappingPolicy.Untranslated);
        Assert.Equal((null, 0, PolicyReach.Mapped), (bounce.Attack.WindowNs, bounce.Attack.BufferHits, bounce.Reach));
        Assert.Equal((null, 1, PolicyReach.Machine), (@static.Attack.WindowNs, @static.Attack.BufferHits, @static.Reach));
        Assert.Equal((null, 1, PolicyReach.Host), (untranslated.Attack.WindowNs, untranslated.Attack.BufferHits, untranslated.Reach));
    }

    [Fact]
    public void A_device_that_gets_through_for_too_long_or_too_far_is_reported()
    {
        PolicyReport report = new PolicyComparison(s_options with { Policies = [MappingPolicy.Deferred], Transfers = 8, Attacks = 1 }).Run();
        PolicyFigures figures = report.Policies[0].Figures!;
        PolicyReport With(string policy, PolicyFigures seen) => report with { Policies = [new(policy, null, seen)] };
        Assert.Empty(report.BrokenPromises);
        Assert.Equal(["strict"], With("strict", figures).BrokenPromises);
        Assert.Equal(["deferred"], With("deferred", figures with { Attack = figures.Attack with { WindowNs = null } }).BrokenPromises);
        Assert.Equal(["optimistic"], With("optimistic", figures with { Reach = PolicyReach.Machine }).BrokenPromises);
        Assert.Equal(["bounce"], With("bounce", figures).BrokenPromises);
        Assert.Equal(["static"], With("static", figures with { Reach = PolicyReach.Host }).BrokenPromises);
        Assert.False(With("static", figures with { IsWhole = false }).IsDataEqual);
        Assert.False((report with { Policies = [report.Policies[0], new("static", null, figures with { Sha256 = "" })] }).IsDataEqual);
    }

    [Fact]
    public void The_verb_writes_one_object_that_is_the_same_for_the_same_seed()
    {
        string[] words = ["compare", "policies", "--transfers", "24", "--attacks", "2", "--work", "mixed", "--json"];
        ToolRun run = ToolRun.Of(words);
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        Assert.Equal(run.Output, ToolRun.Of(words).Output);
        Assert.NotEqual(run.Output, ToolRun.Of([.. words, "--seed", "2"]).Output);
        using JsonDocument document = JsonDocument.Parse(run.Output);
        JsonElement report = document.RootElement;
        Assert.Equal(
            ["policies", "work", "transfers", "transferBytes", "buffers", "waitingMax", "waitingNsMax", "poolBytes", "controller", "profile", "seed", "isDataEqual", "brokenPromises"],
            report.EnumerateObject().Select(member => member.Name));
        JsonElement[] policies = [.. report.GetProperty("policies").EnumerateArray()];
        Assert.Equal(
            ["strict", "deferred", "optimistic", "bounce", "static", "untranslated"],
            policies.Select(policy => policy.GetProperty("policy").GetString()));

        // What nobody allowed has a reason in the place of figures.
        Assert.All(policies[..^1], policy => Assert.Equal(JsonValueKind.Null, policy.GetProperty("refusal").ValueKind));
        Assert.Equal((JsonValueKind.String, JsonValueKind.Null), (policies[^1].GetProperty("refusal").ValueKind, policies[^1].GetProperty("figures").ValueKind));
        Assert.All(policies[..^1], policy => Assert.Equal(
            ["hypercalls", "exits", "invalidations", "iotlbHits", "pinnedPagesMost", "copiesPerByte", "timeNs", "guestNs", "vmmNs", "sha256", "isWhole", "attack", "reach"],
            policy.GetProperty("figures").EnumerateObject().Select(member => member.Name)));
        Assert.Equal(
            ["tries", "bufferHits", "windowNs", "stepNs"],
            policies[0].GetProperty("figures").GetProperty("attack").EnumerateObject().Select(member => member.Name));
    }

    [Fact]
    public void The_verb_shows_a_person_costs_windows_and_what_was_refused()
    {
        ToolRun run = ToolRun.Of("compare", "policies", "--transfers", "8", "--attacks", "1", "--usb", "ehci", "--policy", "strict", "--policy", "untranslated");
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        Assert.Contains("Refused: untranslated: 00:1d.0 would reach all memory of the host", run.Output, StringComparison.Ordinal);
        Assert.Contains("strict", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("bounce", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("\u001b", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_example_of_the_help_of_the_verb_works()
    {
        string[] lines = ToolRun.Of("compare", "policies", "--help").Output.Split('\n');
        string[] examples = [.. lines.SkipWhile(line => line != "Examples:").Where(line => line.StartsWith("  dma ", StringComparison.Ordinal))];
        Assert.NotEmpty(examples);
        Assert.All(examples, example =>
        {
            string[] words = example.Trim().Split(' ')[1..];
            string[] less = words.Contains("--transfers") ? [] : ["--transfers", "32"];
            Assert.Equal(ExitCode.Ok, ToolRun.Of([.. words, .. less, "--attacks", "1"]).ExitCode);
        });
    }

    [Theory]
    [InlineData("--policy", "frobnicate")]
    [InlineData("--usb", "frobnicate")]
    [InlineData("--work", "frobnicate")]
    [InlineData("--profile", "frobnicate")]
    [InlineData("--transfers", "0")]
    [InlineData("--transfers", "1000000")]
    [InlineData("--transfers", "x")]
    [InlineData("--bytes", "1000")]
    [InlineData("--bytes", "524288")]
    [InlineData("--buffers", "0")]
    [InlineData("--buffers", "2147483647")]
    [InlineData("--waiting", "0")]
    [InlineData("--window-us", "0")]
    [InlineData("--window-us", "18446744073709551615")]
    [InlineData("--pool-kib", "64")]
    [InlineData("--pool-kib", "2147483647")]
    [InlineData("--attacks", "0")]
    [InlineData("--seed", "-1")]
    public void A_bad_line_is_refused_with_one_line_on_standard_error(params string[] words)
    {
        ToolRun run = ToolRun.Of(["compare", "policies", .. words]);
        Assert.Equal((ExitCode.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
