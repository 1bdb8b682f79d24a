using System.Text.Json;
using Dma.Lab;

namespace Dma.Properties;

/// <summary><c>dma run management-device</c>.</summary>
public sealed class ManagementRunTests
{
    [Fact]
    public void The_scenario_keeps_everybody_apart_and_its_figures_are_those_of_the_mechanism()
    {
        using StringWriter output = new();
        using StringWriter error = new();
        Assert.Equal(ExitCode.Ok, DmaCommand.Invoke(["run", "management-device", "--json"], new(output, error)));
        Assert.Equal("", error.ToString());
        ManagementReport report = JsonSerializer.Deserialize(output.ToString(), ManagementJson.Default.ManagementReport)!;
        Assert.True(report.IsClean);
        Assert.Equal((2.0, 2.0, 2.0), (report.Figures.ExitsPerMessage, report.Figures.InterruptsPerMessage, report.Figures.CopiesPerByte));
        Assert.InRange(report.Figures.Fairness, 0.99, 1.0);
        Assert.InRange(report.Figures.StatisticsAgeNs, 1ul, 100_000ul);
        Assert.Equal(4, report.Arrows.Count);
        Assert.InRange(report.Shares.First(line => line.Machine == "VM 1").Share, 0.5, 0.7);

        using StringWriter again = new();
        _ = DmaCommand.Invoke(["run", "management-device", "--json"], new(again, error));
        Assert.Equal(output.ToString(), again.ToString());
    }

    [Fact]
    public void What_is_tried_is_said_to_be_blocked_and_a_forged_message_to_come_from_who_sent_it()
    {
        string output = ToolRun.Of("run", "management-device").Output;
        string tried = output[output.IndexOf("What was tried", StringComparison.Ordinal)..output.IndexOf("What it takes", StringComparison.Ordinal)];
        string[] rows = [.. tried.Split('\n').Where(line => line.StartsWith('│')).Skip(1)];
        Assert.NotEmpty(rows);
        Assert.All(rows, row => Assert.EndsWith("│ blocked │", row.TrimEnd(), StringComparison.Ordinal));
        Assert.Contains("arrived as one of VM 3, who sent it", rows.Single(row => row.Contains("in the name of VM 1", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Contains($"{rows.Length} of {rows.Length} attempts blocked.", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Its_timeline_has_each_request_of_each_VM_and_never_two_at_a_time_in_one_slot()
    {
        using TemporaryFile file = new();
        ToolRun run = ToolRun.Of("run", "management-device", "--json", "--trace", file.Path);
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        byte[] timeline = File.ReadAllBytes(file.Path);
        Assert.Equal(
            ["VMM", "VMs", "management device of VM 1", "management device of VM 2", "management device of VM 3"],
            TimelineFormat.Check(timeline).Order(StringComparer.Ordinal));
        using JsonDocument document = JsonDocument.Parse(timeline);
        JsonElement[] events = [.. document.RootElement.GetProperty("traceEvents").EnumerateArray()];
        JsonElement[] slices = [.. events.Where(entry => entry.GetProperty("ph").ValueEquals("X"))];
        ManagementReport report = JsonSerializer.Deserialize(run.Output, ManagementJson.Default.ManagementReport)!;
        ulong requests = report.Participants.Aggregate(0ul, (sum, line) => sum + line.Requests);
        Assert.Equal(requests + (ulong)(report.Shares.Count + report.Shares.DistinctBy(line => line.Phase).Count()), (ulong)slices.Length);
        foreach (IGrouping<(int, int), JsonElement> line in slices.GroupBy(entry => (entry.GetProperty("pid").GetInt32(), entry.GetProperty("tid").GetInt32())))
        {
            decimal end = 0;
            foreach (JsonElement slice in line.OrderBy(entry => entry.GetProperty("ts").GetDecimal()))
            {
                Assert.True(slice.GetProperty("ts").GetDecimal() >= end);
                end = slice.GetProperty("ts").GetDecimal() + slice.GetProperty("dur").GetDecimal();
            }
        }
    }

    [Fact]
    public void A_real_directory_is_read_and_written_only_where_that_is_asked_for()
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory("dma-granted-");
        try
        {
            Assert.SkipUnless(Dma.Machine.DirectoryDescriptor.IsSupported, "This system has no openat2.");
            File.WriteAllText(Path.Combine(directory.FullName, "note"), "a note");
            using StringWriter output = new();
            using StringWriter error = new();
            Assert.Equal(ExitCode.Ok, DmaCommand.Invoke(["run", "management-device", "--folder", directory.FullName], new(output, error)));
            Assert.Contains("Kept apart", output.ToString(), StringComparison.Ordinal);
            Assert.Equal(["note"], directory.GetFiles().Select(file => file.Name));
            Assert.Equal(ExitCode.Ok, DmaCommand.Invoke(["run", "management-device", "--folder", directory.FullName, "--writable"], new(output, error)));
            Assert.Equal(["data.bin", "note"], directory.GetFiles().Select(file => file.Name).Order());
            Assert.Equal(200_000, new FileInfo(Path.Combine(directory.FullName, "data.bin")).Length);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData("--writable")]
    [InlineData("--folder", "/nowhere/at/all")]
    public void What_cannot_be_granted_is_refused_in_one_line(params string[] arguments)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        Assert.Equal(ExitCode.BadInput, DmaCommand.Invoke(["run", "management-device", .. arguments], new(output, error)));
        Assert.Equal("", output.ToString());
        _ = Assert.Single(error.ToString().TrimEnd().Split('\n'));
    }
}
