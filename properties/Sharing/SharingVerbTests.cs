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
    [InlineData("table", 0, 0)]
    [InlineData("setup", 1, 1)]
    public void Without_a_part_of_the_replacement_packets_show_where_devices_answer_at_once(string part, int asked, int bus)
    {
        ToolRun run = ToolRun.Of("run", "address-replacement", "--without", part, "--json");
        Assert.Equal(ExitCode.Violation, run.ExitCode);
        using JsonDocument report = JsonDocument.Parse(run.Output);
        JsonElement first = report.RootElement.GetProperty("packets").EnumerateArray().First(packet => packet.GetProperty("devices").GetArrayLength() > 1);
        Assert.Equal(
            (asked, bus, "SETUP", "", 3),
            (first.GetProperty("address").GetInt32(), first.GetProperty("bus").GetInt32(), first.GetProperty("pid").GetString(), first.GetProperty("answer").GetString(), first.GetProperty("devices").GetArrayLength()));
        Assert.Contains("destroyed: the disks of VM 1, VM 2, VM 3 answer at once", ToolRun.Of("run", "address-replacement", "--without", part).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nothing", ExitCode.Ok, "Each VM read its own disk.")]
    [InlineData("table", ExitCode.Violation, "GONE WRONG: VM 1 read nothing: ")]
    [InlineData("setup", ExitCode.Violation, "GONE WRONG: VM ")]
    public void The_last_line_is_the_verdict(string without, int exitCode, string verdict)
    {
        ToolRun run = ToolRun.Of("run", "address-replacement", "--without", without);
        Assert.Equal(exitCode, run.ExitCode);
        int at = run.Output.IndexOf(" exits for addresses.\n", StringComparison.Ordinal);
        Assert.StartsWith(verdict, run.Output[(run.Output.IndexOf('\n', at) + 1)..], StringComparison.Ordinal);
    }

    [Fact]
    public void Each_packet_is_answered_by_the_device_of_its_vm_alone_and_waits_for_address_zero_are_told()
    {
        ToolRun run = ToolRun.Of("run", "address-replacement", "--vms", "4", "--json");
        using JsonDocument document = JsonDocument.Parse(run.Output);
        AddressReport report = JsonSerializer.Deserialize(run.Output, SharingJson.Default.AddressReport)!;
        Assert.All(report.Packets, packet => Assert.Equal([packet.Vm], packet.Devices));
        Assert.Equal(report.Packets.Select(packet => packet.AtNs).Order(), report.Packets.Select(packet => packet.AtNs));
        Assert.Equal(report.Lookups, (ulong)report.Packets.Sum(packet => packet.Times));

        // Whoever had it first waited for nobody; the others until it came to them.
        Assert.Equal(
            report.AddressZero.Select((turn, index) => index == 0 ? turn.Vm : "later"),
            report.AddressZero.Select(turn => report.Vms.Single(vm => vm.Name == turn.Vm).ZeroWaitNs == 0 ? turn.Vm : "later"));
    }

    [Theory]
    [InlineData("deficit", 0.99, 1)]
    [InlineData("weighted", 0.99, 1)]
    [InlineData("transaction", 0.7, 0.9)]
    [InlineData("sequential", 0.5, 0.6)]
    public void Among_vms_with_work_all_the_time_bus_time_is_even_by_deficits_alone(string policy, double least, double most)
    {
        RegisterSetReport report = JsonSerializer.Deserialize(
            ToolRun.Of("run", "register-sets", "--policy", policy, "--json").Output, SharingJson.Default.RegisterSetReport)!;
        Assert.InRange(report.Jain!.Value, least, most);

        // The greedy ones have a periodic list, whose elements are read in each microframe.
        Assert.InRange(report.FrameListReads, 1.9, 2.1);
        Assert.All(report.Registers, register => Assert.Equal(3, register.Values.Count));
        Assert.Contains(report.Registers, register => register.Register == "ASYNCLISTADDR" && register.Values.All(value => value != 0));
        bool counts = policy is "deficit" or "weighted";
        Assert.All(report.Vms, vm =>
        {
            // A quantum of 16 us for each unit of weight, and one visit too much.
            Assert.InRange(vm.DeficitNsMax, counts ? 1 : 0, counts ? 16_000 * (policy == "weighted" ? vm.Weight : 1) : 0);
            Assert.InRange(vm.DeficitNsMin, counts ? -125_000 : 0, counts ? -1 : 0);
            Assert.InRange(vm.DeficitNs, vm.DeficitNsMin, vm.DeficitNsMax);
        });
    }

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
