using System.Text.Json;
using Dma.Lab;

namespace Dma.Properties;

/// <summary>The verb that shows a service VM.</summary>
public sealed class ServiceVmVerbTests
{
    [Theory]
    [InlineData("ehci", "ring", "map", 2)]
    [InlineData("xhci", "ring", "copy", 3)]
    [InlineData("ehci", "rpc", "map", 2)]
    [InlineData("xhci", "rpc", "copy", 2)]
    public void Each_VM_reads_its_own_disk_and_figures_are_those_of_the_way_that_was_chosen(string usb, string transport, string grants, int vms)
    {
        string[] words = ["run", "service-vm", "--usb", usb, "--transport", transport, "--grants", grants, "--vms", $"{vms}", "--batch", "4", "--json"];
        ToolRun run = ToolRun.Of(words);
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        using JsonDocument document = JsonDocument.Parse(run.Output);
        JsonElement report = document.RootElement;
        Assert.Equal(vms, report.GetProperty("vms").GetArrayLength());
        Assert.All(report.GetProperty("vms").EnumerateArray(), vm => Assert.True(vm.GetProperty("bytes").GetUInt64() > 200_000));
        Assert.InRange(report.GetProperty("jain").GetDouble(), 0.95, 1);
        Assert.InRange(report.GetProperty("copiesPerByte").GetDouble(), grants == "map" ? 0 : 0.9, grants == "map" ? 0.01 : 1.2);
        Assert.InRange(report.GetProperty("notificationsPerRequest").GetDouble(), transport == "rpc" ? 1.2 : 0.5, transport == "rpc" ? 2.1 : 1.2);
        Assert.InRange(report.GetProperty("switchesPerRequest").GetDouble(), 0.2, 4);
        Assert.True(report.GetProperty("sequence").GetArrayLength() > 10);
        JsonElement sound = report.GetProperty("lookAhead");
        Assert.True(sound.GetProperty("isEnough").GetBoolean());
        Assert.True(sound.GetProperty("depths")[0].GetProperty("expired").GetUInt64() > 0);
        Assert.Equal(run, ToolRun.Of(words));
    }

    [Theory]
    [InlineData("ring")]
    [InlineData("rpc")]
    public void A_service_VM_that_crashes_leaves_nothing_and_the_next_one_goes_on(string transport)
    {
        ToolRun run = ToolRun.Of("run", "service-vm", "--vms", "2", "--transport", transport, "--crash", "--jitter", "500", "--json");
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        using JsonDocument document = JsonDocument.Parse(run.Output);
        JsonElement crash = document.RootElement.GetProperty("crash");
        Assert.True(crash.GetProperty("outstanding").GetInt32() > 0);
        Assert.Equal((0ul, 2), (crash.GetProperty("pinsLeft").GetUInt64(), crash.GetProperty("readAgain").GetInt32()));
    }

    [Fact]
    public void A_timeline_has_lines_for_VMs_VMM_bus_controller_rings_and_IOMMU()
    {
        using TemporaryFile file = new();
        Assert.Equal(ExitCode.Ok, ToolRun.Of("run", "service-vm", "--vms", "2", "--trace", file.Path).ExitCode);
        Assert.Equal(["VMs", "VMM", "bus", "controller", "service VM", "IOMMU"], TimelineFormat.Check(File.ReadAllBytes(file.Path)));
    }

    [Theory]
    [InlineData("--vms", "9")]
    [InlineData("--batch", "0")]
    [InlineData("--batch", "15")]
    [InlineData("--jitter", "5001")]
    [InlineData("--transport", "pigeon")]
    public void A_bad_line_is_refused_with_one_line_on_standard_error(params string[] words)
    {
        ToolRun run = ToolRun.Of(["run", "service-vm", .. words]);
        Assert.Equal((ExitCode.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
