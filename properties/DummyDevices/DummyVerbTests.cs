using System.Text.Json;
using Dma.Lab;

namespace Dma.Properties;

/// <summary><c>dma run dummy-devices</c>.</summary>
public sealed class DummyVerbTests
{
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void No_stream_misses_a_slot_and_each_change_takes_a_message_for_every_other_vm(int vms)
    {
        ToolRun run = ToolRun.Of("run", "dummy-devices", "--vms", $"{vms}", "--json");
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        using JsonDocument document = JsonDocument.Parse(run.Output);
        JsonElement report = document.RootElement;
        Assert.Equal(vms * (vms - 1), report.GetProperty("dummies").GetInt32());
        Assert.Equal(vms - 1, report.GetProperty("messagesPerChange").GetDouble());
        Assert.InRange(report.GetProperty("overAllocation").GetDouble(), 0.4, 1);
        Assert.InRange(report.GetProperty("setupNsMax").GetUInt64(), 1ul, 5_000_000ul);
        Assert.Equal(0, report.GetProperty("missRate").GetDouble());

        // Beside it the same without dummies: two streams of 47 us fit, three do not.
        JsonElement other = report.GetProperty("other");
        Assert.False(other.GetProperty("hasDummies").GetBoolean());
        Assert.Equal(vms > 2, other.GetProperty("overAllocation").GetDouble() > 1);
        Assert.Equal(vms > 2, other.GetProperty("missRate").GetDouble() > 0);

        // Nobody believes in more free time than there is, but for a step of the ladder and what looks at lists may take.
        long free = report.GetProperty("freeNs").GetInt64() + report.GetProperty("looksNs").GetInt64();
        Assert.All(report.GetProperty("vms").EnumerateArray(), vm => Assert.True(vm.GetProperty("believesFreeNs").GetInt64() <= free));
        Assert.Equal(run, ToolRun.Of("run", "dummy-devices", "--vms", $"{vms}", "--json"));
    }

    [Theory]
    [InlineData(ExitCode.Ok, "No stream missed a slot.")]
    [InlineData(ExitCode.Violation, "OVER-ALLOCATED:", "--no-dummies")]
    [InlineData(ExitCode.Ok, "No stream missed a slot.", "--liar")]
    [InlineData(ExitCode.Violation, "SLOTS MISSED:", "--liar", "--no-policing")]
    public void What_is_left_out_is_missed(int exitCode, string verdict, params string[] words)
    {
        ToolRun run = ToolRun.Of(["run", "dummy-devices", .. words]);
        Assert.Equal((exitCode, ""), (run.ExitCode, run.Error));
        Assert.Contains(verdict, run.Output, StringComparison.Ordinal);
        Assert.Contains("in truth |", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_timeline_has_lines_for_vms_vmm_controller_bus_and_iommu()
    {
        using TemporaryFile file = new();
        Assert.Equal(ExitCode.Ok, ToolRun.Of("run", "dummy-devices", "--trace", file.Path).ExitCode);
        byte[] bytes = File.ReadAllBytes(file.Path);
        Assert.Equal(["VMs", "VMM", "bus", "controller", "IOMMU"], TimelineFormat.Check(bytes));
        string text = System.Text.Encoding.UTF8.GetString(bytes);
        Assert.Contains("reserve 47.3 us for VM 1", text, StringComparison.Ordinal);
        Assert.Contains("dummies in VM 3", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--vms", "9")]
    [InlineData("--without", "dummies")]
    public void A_bad_line_is_refused_on_standard_error(params string[] words)
    {
        ToolRun run = ToolRun.Of(["run", "dummy-devices", .. words]);
        Assert.Equal((ExitCode.BadInput, ""), (run.ExitCode, run.Output));
        Assert.NotEmpty(run.Error);
    }
}
