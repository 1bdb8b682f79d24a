using System.Text.Json;
using Dma.Lab;

namespace Dma.Properties;

/// <summary>The verb that shows controllers which a service VM models.</summary>
public sealed class ServiceModelVerbTests
{
    [Theory]
    [InlineData("ehci", 2)]
    [InlineData("xhci", 3)]
    public void Each_VM_reads_its_own_disk_by_an_ordinary_driver_and_no_page_faults_twice(string usb, int vms)
    {
        string[] words = ["run", "service-vm-models", "--usb", usb, "--vms", $"{vms}", "--json"];
        ToolRun run = ToolRun.Of(words);
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        using JsonDocument document = JsonDocument.Parse(run.Output);
        JsonElement report = document.RootElement;
        Assert.Equal(vms, report.GetProperty("vms").GetArrayLength());
        Assert.All(report.GetProperty("vms").EnumerateArray(), vm =>
        {
            Assert.True(vm.GetProperty("bytes").GetUInt64() > 200_000);
            Assert.Equal(vm.GetProperty("pagesShown").GetUInt64(), vm.GetProperty("faultsBefore").GetUInt64() + vm.GetProperty("faults").GetUInt64());

            // Each ring may come to its second page for the first time: that of events, and of xHCI those of two endpoints.
            Assert.InRange(vm.GetProperty("faults").GetUInt64(), 0ul, usb == "ehci" ? 1ul : 3ul);
            Assert.InRange(vm.GetProperty("upcallsPerRead").GetDouble(), 1, vm.GetProperty("exitsPerRead").GetDouble());
        });
        Assert.InRange(report.GetProperty("switchesPerRead").GetDouble(), 2, 60);
        string[] steps = [.. report.GetProperty("access").EnumerateArray().Select(step => $"{step.GetProperty("who").GetString()}: {step.GetProperty("what").GetString()}")];
        Assert.Equal(
            [
                "VM 1: reads a register", "VM 1: exit", "service VM: comes onto the processor", "service VM: interrupt injected", "service VM: process woken",
                "service VM: exit", "service VM: hypercall", "VM 1: comes onto the processor", "VM 1: has the value",
            ],
            steps);
        Assert.Equal(run, ToolRun.Of(words));
    }

    [Fact]
    public void Without_copies_what_is_left_are_structures_of_schedules()
    {
        double copied = Copies(), direct = Copies("--zero-copy");
        Assert.InRange(copied - direct, 1.9, 2.1);

        static double Copies(params string[] more)
        {
            ToolRun run = ToolRun.Of(["run", "service-vm-models", "--vms", "2", "--json", .. more]);
            Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
            using JsonDocument document = JsonDocument.Parse(run.Output);
            Assert.Equal(more.Length != 0, document.RootElement.GetProperty("isZeroCopy").GetBoolean());
            return document.RootElement.GetProperty("copiesPerByte").GetDouble();
        }
    }

    [Theory]
    [InlineData("--no-shootdown")]
    [InlineData("--no-flush")]
    public void Where_the_VMM_does_not_shoot_down_the_process_reads_and_writes_another_VM(string without)
    {
        ToolRun run = ToolRun.Of("run", "service-vm-models", "--vms", "2", without);
        Assert.Equal(ExitCode.Violation, run.ExitCode);
        Assert.Contains("'a secret of VM 2'", run.Output, StringComparison.Ordinal);
        Assert.Contains("VM 2 was read; VM 2 was written", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ehci")]
    [InlineData("xhci")]
    public void A_service_VM_that_crashes_leaves_nothing_and_controllers_of_the_next_one_go_on(string usb)
    {
        using TemporaryFile file = new();
        ToolRun run = ToolRun.Of("run", "service-vm-models", "--vms", "2", "--usb", usb, "--window-pages", "9", "--jitter", "50", "--crash", "--trace", file.Path, "--json");
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        using JsonDocument document = JsonDocument.Parse(run.Output);
        JsonElement crash = document.RootElement.GetProperty("crash");
        Assert.Equal((0ul, 2, 2), (crash.GetProperty("pinsLeft").GetUInt64(), crash.GetProperty("outstanding").GetInt32(), crash.GetProperty("readAgain").GetInt32()));
        Assert.All(document.RootElement.GetProperty("vms").EnumerateArray(), vm => Assert.InRange(vm.GetProperty("pagesShown").GetInt32(), 1, 9));
        Assert.Equal(["VMs", "VMM", "bus", "controller", "service VM", "IOMMU"], TimelineFormat.Check(File.ReadAllBytes(file.Path)));
    }

    [Fact]
    public void With_as_many_vms_as_there_may_be_strangers_are_refused_too() =>
        Assert.Equal(ExitCode.Ok, ToolRun.Of("run", "service-vm-models", "--vms", "8").ExitCode);

    [Theory]
    [InlineData("--vms", "1")]
    [InlineData("--window-pages", "0")]
    [InlineData("--jitter", "5001")]
    [InlineData("--usb", "ohci")]
    [InlineData("--usb", "xhci", "--zero-copy")]
    public void A_bad_line_is_refused_with_one_line_on_standard_error(params string[] words)
    {
        ToolRun run = ToolRun.Of(["run", "service-vm-models", .. words]);
        Assert.Equal((ExitCode.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
