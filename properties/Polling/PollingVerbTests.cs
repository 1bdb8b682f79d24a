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
        Assert.Equal(["VMs", "VMM", "bus", "controller"], TimelineFormat.Check(File.ReadAllBytes(file.Path)));
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
