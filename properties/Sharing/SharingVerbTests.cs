using System.Text.Json;
using Dma.Lab;

namespace Dma.Properties;

/// <summary>The verbs that show a controller shared between VMs.</summary>
public sealed class SharingVerbTests
{
    [Theory]
    [InlineData("dynamic", 0)]
    [InlineData("static", 0)]
    [InlineData("software", 3)]
    public void Each_vm_reads_its_own_disk_though_all_use_the_same_address(string assignment, int exits)
    {
        ToolRun run = ToolRun.Of("run", "address-replacement", "--assignment", assignment, "--json");
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        using JsonDocument report = JsonDocument.Parse(run.Output);
        Assert.Equal(exits, report.RootElement.GetProperty("exitsForAddresses").GetInt32());
        Assert.Equal(3, report.RootElement.GetProperty("addressZero").GetArrayLength());
        Assert.Equal([1, 1, 1], report.RootElement.GetProperty("addresses").EnumerateArray().Select(mapping => mapping.GetProperty("virtual").GetInt32()));
        Assert.Equal(run, ToolRun.Of("run", "address-replacement", "--assignment", assignment, "--json"));
    }

    [Theory]
    [InlineData("table")]
    [InlineData("setup")]
    public void Without_a_part_of_the_replacement_vms_get_into_each_others_way(string part) =>
        Assert.Equal(ExitCode.Violation, ToolRun.Of("run", "address-replacement", "--without", part).ExitCode);

    [Theory]
    [InlineData("deficit", ExitCode.Ok)]
    [InlineData("weighted", ExitCode.Ok)]
    [InlineData("transaction", ExitCode.Ok)]
    [InlineData("pass", ExitCode.Ok)]
    [InlineData("sequential", ExitCode.Violation)]
    public void A_greedy_vm_starves_others_in_sequence_alone(string policy, int exitCode)
    {
        ToolRun run = ToolRun.Of("run", "register-sets", "--policy", policy, "--vms", "4");
        Assert.Equal((exitCode, ""), (run.ExitCode, run.Error));
        Assert.Contains("VM 4 |", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("address-replacement")]
    [InlineData("register-sets")]
    public void A_timeline_has_lines_for_vms_vmm_controller_bus_and_iommu(string verb)
    {
        using TemporaryFile file = new();
        Assert.Equal(ExitCode.Ok, ToolRun.Of("run", verb, "--vms", "2", "--trace", file.Path).ExitCode);
        Assert.Equal(["VMs", "VMM", "bus", "controller", "IOMMU"], TimelineFormat.Check(File.ReadAllBytes(file.Path)));
    }

    [Theory]
    [InlineData("address-replacement", "--vms", "1")]
    [InlineData("address-replacement", "--vms", "x")]
    [InlineData("address-replacement", "--assignment", "frobnicate")]
    [InlineData("address-replacement", "--without", "")]
    [InlineData("register-sets", "--vms", "9")]
    [InlineData("register-sets", "--policy", "frobnicate")]
    [InlineData("register-sets", "--trace", "no/such/folder/timeline.json")]
    public void A_bad_line_is_refused_with_one_line_on_standard_error(params string[] words)
    {
        ToolRun run = ToolRun.Of(["run", .. words]);
        Assert.Equal((ExitCode.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
