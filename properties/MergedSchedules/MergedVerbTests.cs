using System.Text.Json;
using Dma.Lab;

namespace Dma.Properties;

/// <summary>The verb that shows schedules of VMs merged into one.</summary>
public sealed class MergedVerbTests
{
    [Theory]
    [InlineData("scan", 3)]
    [InlineData("protect", 2)]
    public void Each_vm_finds_what_is_its_own_in_time_and_no_byte_of_data_is_copied(string discovery, int vms)
    {
        string[] words = ["run", "merged-schedules", "--vms", $"{vms}", "--discovery", discovery, "--json"];
        ToolRun run = ToolRun.Of(words);
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        using JsonDocument document = JsonDocument.Parse(run.Output);
        JsonElement report = document.RootElement;
        JsonElement[] found = [.. report.GetProperty("vms").EnumerateArray().Select(vm => vm.GetProperty("counts"))];
        Assert.Equal(vms, found.Length);
        Assert.All(found, counts => Assert.NotEqual(0ul, counts.GetProperty("bytes").GetUInt64()));
        Assert.All(found, counts => Assert.Equal(discovery == "protect", counts.GetProperty("protectedStores").GetUInt64() != 0));
        Assert.NotEqual(0ul, found[0].GetProperty("slotsDue").GetUInt64());
        Assert.Equal(0ul, found[0].GetProperty("slotsMissed").GetUInt64());
        Assert.Equal((1, 0), (report.GetProperty("heads").GetInt32(), report.GetProperty("earlyAnswers").GetInt32()));
        Assert.NotEqual(0, report.GetProperty("doorbells").GetInt32());
        Assert.Equal(0ul, report.GetProperty("payloadBytesCopied").GetUInt64());
        JsonElement[] traps = [.. report.GetProperty("traps").EnumerateArray()];
        Assert.Equal(12, traps.Length);
        Assert.Equal(traps.Select(trap => trap.GetProperty("atNs").GetUInt64()).Order(), traps.Select(trap => trap.GetProperty("atNs").GetUInt64()));
        Assert.Contains(traps, trap => trap.GetProperty("what").GetString()!.Contains(discovery == "scan" ? "USBSTS" : "stores into its schedules", StringComparison.Ordinal));

        // Up to the current frame, the sixth, what VMs have is what the controller runs.
        foreach (JsonElement row in report.GetProperty("frames").EnumerateArray().Skip(4).Take(2))
            Assert.Equal(string.Join(' ', row.GetProperty("guests").EnumerateArray().Select(guest => guest.GetString()).Where(guest => guest!.Length != 0)), row.GetProperty("merged").GetString());
        Assert.Contains("i1", report.GetProperty("frames").EnumerateArray().Select(row => row.GetProperty("merged").GetString()));
        Assert.Equal(run, ToolRun.Of(words));
    }

    [Fact]
    public void An_engine_gives_each_vm_what_is_its_own_and_the_vmm_looks_at_no_schedule()
    {
        string[] words = ["run", "merged-schedules", "--merge", "hardware", "--json"];
        ToolRun run = ToolRun.Of(words);
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        using JsonDocument document = JsonDocument.Parse(run.Output);
        JsonElement report = document.RootElement;
        JsonElement[] found = [.. report.GetProperty("vms").EnumerateArray().Select(vm => vm.GetProperty("counts"))];
        Assert.All(found, counts => Assert.NotEqual(0ul, counts.GetProperty("bytes").GetUInt64()));
        foreach (string none in (string[])["scans", "nodesVisited", "protectedStores", "transfersCopied", "framesCopied", "structureBytes", "slotsMissed"])
            Assert.All(found, counts => Assert.Equal(0ul, counts.GetProperty(none).GetUInt64()));
        Assert.Equal(0ul, report.GetProperty("payloadBytesCopied").GetUInt64());
        Assert.Equal(1, report.GetProperty("heads").GetInt32());
        Assert.Contains(report.GetProperty("frames").EnumerateArray(), row => row.GetProperty("merged").GetString()!.Contains("i1", StringComparison.Ordinal));
        Assert.Contains("q2", report.GetProperty("ring").GetString(), StringComparison.Ordinal);
        Assert.Equal(run, ToolRun.Of(words));
    }

    [Theory]
    [InlineData("requesters", "VM 2: GET_DESCRIPTOR(Device) ended as TimedOut.")]
    [InlineData("addresses", "VM 1: GET_DESCRIPTOR(Device) ended as NoAnswer.")]
    [InlineData("heads", "heads in one list")]
    public void An_engine_without_one_of_its_parts_goes_wrong_as_the_page_says(string without, string wrong)
    {
        ToolRun run = ToolRun.Of("run", "merged-schedules", "--merge", "hardware", "--vms", "2", "--without", without);
        Assert.Equal((ExitCode.Violation, ""), (run.ExitCode, run.Error));
        Assert.Contains(wrong, run.Output[run.Output.IndexOf("GONE WRONG:", StringComparison.Ordinal)..], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--ahead", "0", "VM 1 missed 5 slots of 304")]
    [InlineData("--ahead", "-3", "VM 1 missed 272 slots of 272")]
    [InlineData("--without", "windows", "VM 2: READ did not succeed")]
    [InlineData("--without", "overlay", "VM 1: SET_ADDRESS ended as TimedOut.")]
    [InlineData("--without", "addresses", "VM 1: GET_DESCRIPTOR(Device) ended as NoAnswer.")]
    [InlineData("--without", "doorbell", "doorbells answered while the controller still had")]
    public void Too_late_or_without_one_of_its_steps_it_goes_wrong_as_the_page_says(string option, string value, string wrong)
    {
        ToolRun run = ToolRun.Of("run", "merged-schedules", "--vms", "2", option, value);
        Assert.Equal((ExitCode.Violation, ""), (run.ExitCode, run.Error));
        Assert.Contains(wrong, run.Output[run.Output.IndexOf("GONE WRONG:", StringComparison.Ordinal)..], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1", "merged 1 microframe before each frame.")]
    [InlineData("2", "merged 2 microframes before each frame.")]
    [InlineData("0", "merged as each frame begins.")]
    [InlineData("-1", "merged 1 microframe after each frame began.")]
    public void When_a_frame_is_merged_is_said_in_words(string ahead, string when) =>
        Assert.Contains(when, ToolRun.Of("run", "merged-schedules", "--vms", "2", "--ahead", ahead).Output, StringComparison.Ordinal);

    [Fact]
    public void An_engine_that_answers_doorbells_early_does_no_harm_to_these_drivers_and_the_verdict_says_so()
    {
        ToolRun run = ToolRun.Of("run", "merged-schedules", "--merge", "hardware", "--vms", "2", "--without", "doorbell");
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        Assert.Contains("Nothing went wrong this time, though doorbell was left out", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_timeline_has_lines_for_vms_vmm_bus_controller_and_iommu()
    {
        using TemporaryFile file = new();
        Assert.Equal(ExitCode.Ok, ToolRun.Of("run", "merged-schedules", "--vms", "2", "--trace", file.Path).ExitCode);
        Assert.Equal(["VMs", "VMM", "bus", "controller", "IOMMU"], TimelineFormat.Check(File.ReadAllBytes(file.Path)));
    }

    [Fact]
    public void A_timeline_of_an_engine_has_what_it_fetches_too()
    {
        using TemporaryFile file = new();
        Assert.Equal(ExitCode.Ok, ToolRun.Of("run", "merged-schedules", "--merge", "hardware", "--vms", "2", "--trace", file.Path).ExitCode);
        Assert.Equal(["VMs", "VMM", "bus", "controller", "engine", "IOMMU"], TimelineFormat.Check(File.ReadAllBytes(file.Path)));
    }

    [Theory]
    [InlineData("--vms", "9")]
    [InlineData("--ahead", "65")]
    [InlineData("--ahead", "x")]
    [InlineData("--discovery", "frobnicate")]
    [InlineData("--without", "frobnicate")]
    [InlineData("--without", "requesters")]
    [InlineData("--merge", "frobnicate")]
    [InlineData("--merge", "hardware", "--ahead", "2")]
    [InlineData("--merge", "hardware", "--discovery", "protect")]
    [InlineData("--merge", "hardware", "--without", "windows")]
    public void A_bad_line_is_refused_with_one_line_on_standard_error(params string[] words)
    {
        ToolRun run = ToolRun.Of(["run", "merged-schedules", .. words]);
        Assert.Equal((ExitCode.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
