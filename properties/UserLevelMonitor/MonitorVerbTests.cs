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

        // Data of an xHCI controller is always copied: there is no row for data in place.
        Assert.Equal(controller == "ehci" ? [0.0, 0.0, 1.0] : [0.0, 1.0], work.Select(way => way.GetProperty("systemCallsPerAccess").GetDouble()));
        Assert.Equal(controller == "ehci" ? [false, true, false] : [false, false], work.Select(way => way.GetProperty("isZeroCopy").GetBoolean()));
        Assert.All(work, way => Assert.Equal(0, way.GetProperty("faults").GetInt32()));
        Assert.NotEqual(0, work[0].GetProperty("warmUpFaults").GetInt32());
        Assert.True(work[0].GetProperty("cyclesPerRead").GetDouble() < work[^1].GetProperty("cyclesPerRead").GetDouble());

        // What is left are structures of schedules.
        if (controller == "ehci")
            Assert.InRange(work[0].GetProperty("copiesPerByte").GetDouble() - work[1].GetProperty("copiesPerByte").GetDouble(), 1.95, 2.05);
        JsonElement[] transfers = [.. report.RootElement.GetProperty("transfers").EnumerateArray()];
        Assert.Equal([2.0, 1.0, 0.0], transfers.Select(way => way.GetProperty("copiesPerByte").GetDouble()));
        Assert.Equal([1.0, 0.0, 0.0], transfers.Select(way => way.GetProperty("systemCallsPerBlock").GetDouble()));
        Assert.DoesNotContain('!', run.Output);
        Assert.Equal(["VMs", "VMM", "bus", "controller", "service OS", "IOMMU"], TimelineFormat.Check(File.ReadAllBytes(file.Path)));
    }

    [Theory]
    [InlineData("│ window *    │")]
    [InlineData("│ window,     │", "--zero-copy")]
    [InlineData("│ system call", "--copy")]
    public void The_row_is_marked_that_the_rest_of_the_report_is_of(string row, params string[] words)
    {
        string[] lines = ToolRun.Of(["run", "user-level-monitor", .. words]).Output.Split('\n');
        int first = Array.FindIndex(lines, line => line.StartsWith('├')) + 1;
        string[] rows = [.. lines[first..Array.FindIndex(lines, first, line => line.StartsWith('╰'))]];
        int marked = Array.FindLastIndex(rows, Array.FindIndex(rows, line => line.Contains('*', StringComparison.Ordinal)), line => !line.Contains("│             │      │", StringComparison.Ordinal));
        Assert.StartsWith(row, rows[marked], StringComparison.Ordinal);
        Assert.Single(rows, line => line.Contains('*', StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("ehci", "1", "0.5 KiB")]
    [InlineData("ehci", "128", "64 KiB")]
    [InlineData("xhci", "9", "4.5 KiB")]
    public void Reads_are_as_long_as_asked_for_and_right(string controller, string blocks, string size)
    {
        ToolRun run = ToolRun.Of("run", "user-level-monitor", "--usb", controller, "--blocks", blocks);
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        Assert.Contains($"A guest reads {size} at a time", run.Output, StringComparison.Ordinal);
        Assert.Contains($"Pieces of {size} from a disk", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_list_of_window_pages_costs_less_than_a_copy_from_some_size_on()
    {
        double[][] cycles = [.. ((string[])["8", "32"]).Select(static blocks =>
        {
            using JsonDocument report = JsonDocument.Parse(ToolRun.Of("run", "user-level-monitor", "--blocks", blocks, "--json").Output);
            return (double[])[.. report.RootElement.GetProperty("transfers").EnumerateArray().Select(way => way.GetProperty("cyclesPerBlock").GetDouble())];
        })];
        Assert.True(cycles[0][2] > cycles[0][1]);
        Assert.True(cycles[1][2] < cycles[1][1]);
        Assert.Equal(cycles[0][2], cycles[1][2]);
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
    [InlineData("--blocks", "0")]
    [InlineData("--blocks", "129")]
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
