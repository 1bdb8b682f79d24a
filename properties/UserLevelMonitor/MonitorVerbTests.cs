using System.Text.Json;
using Dma.Lab;

namespace Dma.Properties;

/// <summary>The verb that shows device models in a process.</summary>
public sealed class MonitorVerbTests
{
    [Theory]
    [InlineData("ehci")]
    [InlineData("xhci")]
    public void A_window_takes_no_system_call_for_memory_and_shows_no_page_of_another_VM(string controller)
    {
        using TemporaryFile file = new();
        ToolRun run = ToolRun.Of("run", "user-level-monitor", "--usb", controller, "--json", "--trace", file.Path);
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        using JsonDocument report = JsonDocument.Parse(run.Output);
        JsonElement[] work = [.. report.RootElement.GetProperty("work").EnumerateArray()];
        Assert.Equal([0.0, 0.0, 1.0], work.Select(way => way.GetProperty("systemCallsPerAccess").GetDouble()));
        Assert.Equal([0, 0, 0], work.Select(way => way.GetProperty("faults").GetInt32()));
        Assert.NotEqual(0, work[0].GetProperty("warmUpFaults").GetInt32());
        Assert.True(work[0].GetProperty("cyclesPerRead").GetDouble() < work[2].GetProperty("cyclesPerRead").GetDouble());

        // What is left are structures of schedules; with xHCI data is copied.
        double saved = work[0].GetProperty("copiesPerByte").GetDouble() - work[1].GetProperty("copiesPerByte").GetDouble();
        Assert.InRange(saved, controller == "ehci" ? 1.95 : 0, controller == "ehci" ? 2.05 : 0);
        JsonElement[] transfers = [.. report.RootElement.GetProperty("transfers").EnumerateArray()];
        Assert.Equal([2.0, 1.0, 0.0], transfers.Select(way => way.GetProperty("copiesPerByte").GetDouble()));
        Assert.Equal([1.0, 0.0, 0.0], transfers.Select(way => way.GetProperty("systemCallsPerBlock").GetDouble()));
        Assert.DoesNotContain('!', run.Output);
        Assert.Equal(["VMs", "VMM", "bus", "controller", "service OS", "IOMMU"], TimelineFormat.Check(File.ReadAllBytes(file.Path)));
    }

    [Theory]
    [InlineData("--no-shootdown")]
    [InlineData("--no-flush")]
    public void Without_a_shoot_down_the_monitor_reads_and_writes_another_VM(string without)
    {
        ToolRun run = ToolRun.Of("run", "user-level-monitor", without);
        Assert.Equal(ExitCode.Violation, run.ExitCode);
        Assert.Contains("'a secret of VM 2'", run.Output, StringComparison.Ordinal);
        Assert.Contains("VIOLATED: VM 2 was read, and written.", run.Output, StringComparison.Ordinal);
        Assert.Contains("#!", run.Output.Replace("!#", "#!", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--copy", "--no-shootdown")]
    [InlineData("--zero-copy")]
    [InlineData("--zero-copy", "--window-pages", "1")]
    [InlineData("--window-pages", "7", "--usb", "xhci")]
    public void By_system_calls_and_by_few_pages_it_holds_too(params string[] words) =>
        Assert.Equal(ExitCode.Ok, ToolRun.Of(["run", "user-level-monitor", .. words]).ExitCode);

    [Theory]
    [InlineData("--usb", "ohci")]
    [InlineData("--window-pages", "0")]
    [InlineData("--window-pages", "many")]
    [InlineData("--trace", "no/such/folder/timeline.json")]
    [InlineData("--usb", "xhci", "--zero-copy")]
    [InlineData("--copy", "--zero-copy")]
    public void A_bad_line_is_refused_with_one_line_on_standard_error(params string[] words)
    {
        ToolRun run = ToolRun.Of(["run", "user-level-monitor", .. words]);
        Assert.Equal((ExitCode.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
