using System.Text.Json;
using Dma.Lab;

namespace Dma.Properties;

/// <summary>The verb that shows a controller that goes from VM to VM.</summary>
public sealed class RoundRobinVerbTests
{
    [Theory]
    [InlineData("ehci", "true", 2)]
    [InlineData("ehci", "false", 3)]
    [InlineData("xhci", "true", 2)]
    [InlineData("xhci", "false", 3)]
    public void Each_vm_reads_its_own_disk_and_sound_misses_the_slots_outside_its_turns(string controller, string workConserving, int vms)
    {
        string[] words = ["run", "round-robin", "--usb", controller, "--vms", $"{vms}", "--work-conserving", workConserving, "--json"];
        ToolRun run = ToolRun.Of(words);
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        using JsonDocument document = JsonDocument.Parse(run.Output);
        JsonElement report = document.RootElement;
        JsonElement[] found = [.. report.GetProperty("vms").EnumerateArray()];
        Assert.Equal(vms, found.Length);
        Assert.All(found.Skip(1), vm => Assert.True(vm.GetProperty("bytesMoved").GetUInt64() > 0));
        Assert.All(found, vm => Assert.True(vm.GetProperty("waitNsMax").GetUInt64() <= report.GetProperty("waitBoundNs").GetUInt64()));
        double missed = found[0].GetProperty("slotsMissed").GetUInt64() / (double)found[0].GetProperty("slotsDue").GetUInt64();
        Assert.InRange(missed, 0.25, ((vms - 1.0) / vms) + 0.05);
        Assert.InRange(report.GetProperty("utilisation").GetDouble(), 0.8, 0.99);
        Assert.InRange(report.GetProperty("jain").GetDouble(), workConserving == "true" ? 0.5 : 0.99, 1);
        Assert.All(report.GetProperty("gantt").EnumerateArray(), line => Assert.Contains('█', line.GetString()!));

        // Where slots are missed, the first VM does not have the controller; the frame that its turn begins or ends in may go either way.
        string first = report.GetProperty("gantt")[0].GetString()!, overlay = report.GetProperty("missed").GetString()!;
        Assert.Equal(first.Length, overlay.Length);
        Assert.Contains('×', overlay);
        Assert.Contains(' ', overlay);
        Assert.InRange(first.Zip(overlay).Count(static column => column is ('█', '×')), 0, 12);

        // In no microframe more than one VM has the bus; in those that are shown, two have their turn.
        int[][] had = [.. report.GetProperty("strip").GetProperty("rows").EnumerateArray().Select(static row => row.GetProperty("periodicNs").EnumerateArray()
            .Zip(row.GetProperty("asyncNs").EnumerateArray(), static (periodic, async) => periodic.GetInt32() + async.GetInt32()).ToArray())];
        Assert.Equal(vms, had.Length);
        Assert.All(Enumerable.Range(0, BusStrip.Columns), at => Assert.InRange(had.Count(row => row[at] != 0), 0, 1));
        Assert.True(had.Count(static row => row.Any(static ns => ns != 0)) > 1);
        Assert.Equal(run, ToolRun.Of(words));
    }

    [Theory]
    [InlineData("ehci", "quiesce", "VM 1: The stream ended as ControllerStopped.", "VM 2: The controller stopped", "VM 3: The controller stopped")]
    [InlineData("ehci", "gates", "VM 2 waits for its disk", "VM 3: Nothing is connected to port 3")]
    [InlineData("ehci", "translation", "requests in turns of VM 2 reached memory of VM 3", "VM 3: read what is not on its disk")]
    [InlineData("ehci", "interrupt", "was interrupted")]
    [InlineData("ehci", "clock", "stood still")]
    [InlineData("xhci", "quiesce", "VM 2 waits for its disk", "VM 3: The controller stopped")]
    [InlineData("xhci", "gates", "VM 2 waits for its disk", "VM 3 waits for its disk")]
    [InlineData("xhci", "translation", "requests in turns of VM 3 reached memory of VM 2", "VM 3 waits for its disk")]
    [InlineData("xhci", "interrupt", "was interrupted")]
    [InlineData("xhci", "clock", "stood still")]
    [InlineData("xhci", "state", "VM 1: The stream ended as ControllerStopped.", "VM 2 waits for its disk", "1 fault")]
    public void A_switch_without_one_of_its_steps_once_all_are_at_work_goes_wrong_as_the_page_says(string controller, string step, params string[] wrong)
    {
        ToolRun run = ToolRun.Of("run", "round-robin", "--usb", controller, "--without", step, "--quantum", "2000");
        Assert.Equal((ExitCode.Violation, ""), (run.ExitCode, run.Error));
        string verdict = Line(run.Output[run.Output.IndexOf("GONE WRONG:", StringComparison.Ordinal)..]);
        Assert.All(wrong, what => Assert.Contains(what, verdict, StringComparison.Ordinal));
    }

    [Fact]
    public void Turns_that_may_be_too_long_for_a_driver_are_said_to_be_and_the_verdict_is_what_was_seen()
    {
        ToolRun run = ToolRun.Of("run", "round-robin", "--quantum", "50000");
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        Assert.Contains("longer than the 100 ms that a driver waits for its doorbell: one that takes a queue out of the list may give up. Each VM found what is its own.", Line(run.Output), StringComparison.Ordinal);
    }

    [Fact]
    public void A_vm_that_gives_its_turn_up_too_soon_loses_it_between_two_transfers()
    {
        ulong[] read = [.. ((string[])["125", "500"]).Select(static idle =>
        {
            ToolRun run = ToolRun.Of("run", "round-robin", "--vms", "2", "--idle", idle, "--json");
            using JsonDocument document = JsonDocument.Parse(run.Output);
            return document.RootElement.GetProperty("vms")[1].GetProperty("bytesMoved").GetUInt64();
        })];
        Assert.InRange(read[0], 1ul, read[1] / 2);
    }

    [Fact]
    public void A_timeline_has_lines_for_vms_vmm_turns_bus_and_iommu()
    {
        using TemporaryFile file = new();
        Assert.Equal(ExitCode.Ok, ToolRun.Of("run", "round-robin", "--vms", "2", "--trace", file.Path).ExitCode);
        Assert.Equal(["VMs", "VMM", "controller", "bus", "IOMMU"], TimelineFormat.Check(File.ReadAllBytes(file.Path)));
    }

    [Theory]
    [InlineData("--vms", "9")]
    [InlineData("--quantum", "1999")]
    [InlineData("--quantum", "x")]
    [InlineData("--idle", "124")]
    [InlineData("--work-conserving", "x")]
    [InlineData("--without", "frobnicate")]
    [InlineData("--without", "state")]
    [InlineData("--usb", "uhci")]
    public void A_bad_line_is_refused_with_one_line_on_standard_error(params string[] words)
    {
        ToolRun run = ToolRun.Of(["run", "round-robin", .. words]);
        Assert.Equal((ExitCode.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    // Words in one line, however the lines were broken.
    private static string Line(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
