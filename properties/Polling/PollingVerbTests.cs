using System.Text.Json;
using Dma.Lab;

namespace Dma.Properties;

/// <summary>The verb that shows registers which are polled.</summary>
public sealed class PollingVerbTests
{
    [Theory]
    [InlineData("ehci", 1)]
    [InlineData("xhci", 3)]
    public void With_the_ring_reads_take_no_exit_and_without_it_stores_are_lost(string controller, int pages)
    {
        using TemporaryFile file = new();
        ToolRun run = ToolRun.Of("run", "exitless-polling", "--usb", controller, "--json", "--trace", file.Path);
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        using JsonDocument report = JsonDocument.Parse(run.Output);
        JsonElement[] ways = [.. report.RootElement.GetProperty("ways").EnumerateArray()];
        Assert.Equal(["Trapped", "EveryPage", "SafePages", "WriteRing"], ways.Select(way => way.GetProperty("name").GetString()));
        Assert.True(ways[0].GetProperty("exitsPerRead").GetDouble() > 1);
        Assert.NotEmpty(ways[1].GetProperty("notSeen").EnumerateObject());
        Assert.Equal((0.0, pages), (ways[3].GetProperty("exitsPerRead").GetDouble(), ways[3].GetProperty("polledPages").GetInt32()));
        Assert.Equal([2, 1, 2, 2], report.RootElement.GetProperty("doubleWrites").EnumerateArray().Select(write => write.GetProperty("seen").GetInt32()));
        Assert.All(report.RootElement.GetProperty("doubleWrites").EnumerateArray(), write => Assert.Equal(2, write.GetProperty("left").GetInt32()));
        JsonElement[] clock = [.. report.RootElement.GetProperty("clock").EnumerateArray()];
        Assert.NotEmpty(clock);
        foreach (JsonElement row in clock)
        {
            // The same driver stores the same, and each store arrives.
            JsonElement trapped = row.GetProperty("trapped"), polled = row.GetProperty("polled");
            Assert.Equal(trapped.GetProperty("register").GetString(), polled.GetProperty("register").GetString());
            foreach (JsonElement store in (JsonElement[])[trapped, polled])
                Assert.InRange(store.GetProperty("gotNs").GetUInt64(), store.GetProperty("storedNs").GetUInt64(), store.GetProperty("storedNs").GetUInt64() + 30_000);
        }

        JsonElement[] devices = [.. report.RootElement.GetProperty("byDevices").EnumerateArray()];
        Assert.All(devices, row => Assert.Equal(devices[0].GetProperty("exits").GetDouble(), row.GetProperty("exits").GetDouble() * row.GetProperty("devices").GetInt32(), 1.0));
        Assert.Equal(["VMs", "VMM", "bus", "controller"], TimelineFormat.Check(File.ReadAllBytes(file.Path)));
    }

    [Fact]
    public void A_poller_that_never_naps_has_one_figure_and_is_not_compared_with_itself()
    {
        ToolRun run = ToolRun.Of("run", "exitless-polling", "--usb", "ehci", "--period", "20000", "--awake");
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        Assert.Contains("Break-even: 666,667 exits a second for this poller, which never naps;", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("one that never naps", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--usb", "ohci")]
    [InlineData("--period", "1")]
    [InlineData("--trace", "no/such/folder/timeline.json")]
    public void A_bad_line_is_refused_with_one_line_on_standard_error(params string[] words)
    {
        ToolRun run = ToolRun.Of(["run", "exitless-polling", .. words]);
        Assert.Equal((ExitCode.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
