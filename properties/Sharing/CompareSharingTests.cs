using System.Text.Json.Nodes;
using Dma.Lab;

namespace Dma.Properties;

/// <summary><c>dma compare sharing</c>: what it measures, that its order is that of the sheet of mechanisms, and that it would see one that fails.</summary>
public sealed class CompareSharingTests
{
    private static readonly Lazy<ToolRun> _mix = new(() => ToolRun.Of("compare", "sharing", "--json"));

    private static readonly Lazy<Dictionary<string, JsonNode>> _rows = new(() =>
        JsonNode.Parse(_mix.Value.Output)!["rows"]!.AsArray().ToDictionary(row => (string)row!["letters"]!, row => row!));

    [Fact]
    public void Every_mechanism_does_the_work_byte_for_byte_or_says_why_it_does_not()
    {
        Assert.Equal((ExitCode.Ok, ""), (_mix.Value.ExitCode, _mix.Value.Error));
        Assert.Equal(SharingMechanisms.All.Select(mechanism => mechanism.Letters), _rows.Value.Keys);
        Assert.Equal(["c", "j"], _rows.Value.Where(row => row.Value["figures"] is null).Select(row => row.Key));
        Assert.All(_rows.Value.Values, row => Assert.True(row["figures"] is null == (row["refusal"]!.ToString().Length != 0)));
        Assert.All(_rows.Value.Values, row => Assert.NotEmpty(row["cannot"]!.ToString()));
        Assert.Contains("VM 2: GET_DESCRIPTOR(Device) ended as NoAnswer", _rows.Value["c"]["refusal"]!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Exits_copies_and_missed_slots_are_ordered_as_the_sheet_has_them()
    {
        Assert.Equal([0, 0, 0], new[] { "direct", "c+a", "c+a+d" }.Select(letters => Exits(letters) + Copies(letters)));
        Assert.True(Exits("direct") < Exits("direct+i") && Exits("direct+i") < Exits("split") && Exits("split") < Exits("emulated"));
        Assert.True(Exits("f+a-wp") > 4 * Exits("f+a") && Copies("f+a-wp") < Copies("f+a"));
        Assert.True(Exits("e") <= 2.1 && Exits("f+a+h") < 0.1 && Exits("f+a") > 3 && Copies("f+a") < Copies("emulated") && Copies("e") < 1);
        Assert.True(Exits("h") < 0.1 && Exits("emulated") > 3 && Copies("h") > 1 && Copies("emulated") > 1);
        Assert.True(Cycles("direct") < Cycles("split") && Cycles("split") < Cycles("emulated") && Cycles("emulated") < Cycles("g") && Cycles("g") < Cycles("h"));
        Assert.True(Copies("g-zc") < Copies("g") - 1.5 && Copies("e+g-zc") < Copies("e+g") - 1.5);
        Assert.True(Cycles("g") < Cycles("e+g") && Copies("e+g") > 1 && Exits("e+g") > 3 && Exits("e+g") < Exits("g") * 1.5);
        Assert.All(
            _rows.Value.Where(row => row.Value["figures"] is not null),
            row => Assert.Equal(row.Key is "b" or "b-x", (int)row.Value["figures"]!["slotsMissed"]! > 100));
        Assert.All(["b", "b-x"], letters => Assert.InRange(Number(letters, "gapNs"), 30e6, 36e6));
        Assert.All(_rows.Value.Values.Where(row => row["figures"] is not null), row => Assert.True((double)row["figures"]!["jain"]! > 0.99));
    }

    [Fact]
    public void Merging_delays_a_transfer_by_no_more_than_a_look_and_a_frame()
    {
        // A look comes once in a frame of eight microframes. Pages that are protected need none.
        double Mean(string letters) => (double)_rows.Value[letters]["figures"]!["transfer"]!["mean"]!;
        Assert.InRange(Mean("f+a") - Mean("direct"), 2, 16);
        Assert.InRange(Mean("f+a-wp") - Mean("direct"), 0, 2);
    }

    [Theory]
    [InlineData("direct-x")]
    [InlineData("c+a+d")]
    [InlineData("f+a+h")]
    [InlineData("e+g")]
    public void A_timeline_of_any_mechanism_or_stack_has_lines_for_vms_vmm_bus_controller_and_iommu(string letters)
    {
        using TemporaryFile file = new();
        ToolRun run = ToolRun.Of("compare", "sharing", "--vms", "2", "--only", letters, "--trace", file.Path);
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        Assert.Equal(["VMs", "VMM", "bus", "controller", "IOMMU"], TimelineFormat.Check(File.ReadAllBytes(file.Path)));
    }

    [Fact]
    public void Of_streams_that_do_not_fit_together_some_ways_miss_slots_and_others_say_so_before()
    {
        ToolRun run = ToolRun.Of("compare", "sharing", "--vms", "3", "--workload", "video", "--only", "direct", "c+a", "c+a+d", "f+a", "emulated", "g", "split", "e", "--json");
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        Dictionary<string, JsonNode> rows = JsonNode.Parse(run.Output)!["rows"]!.AsArray().ToDictionary(row => (string)row!["letters"]!, row => row!["figures"]!);
        Assert.All(rows.Values, figures => Assert.Equal(3, (int)figures["streams"]!));
        Assert.All(rows.Values, figures => Assert.InRange((double)figures["periodicLoadMax"]!, 0, 1));
        Assert.Equal(["direct", "c+a", "f+a"], rows.Where(row => (int)row.Value["streamsInFull"]! == 3).Select(row => row.Key));
        Assert.Equal(["c+a", "f+a"], rows.Where(row => (int)row.Value["slotsMissed"]! != 0).Select(row => row.Key));
    }

    [Theory]
    [InlineData("8", "mix", "f+a+h", "f-hw+a", "e")]
    [InlineData("8", "keyboard", "b")]
    [InlineData("2", "bulk", "b", "h", "c+a+d")]
    public void Few_and_many_VMs_are_served_too(string vms, string workload, params string[] only)
    {
        ToolRun run = ToolRun.Of(["compare", "sharing", "--vms", vms, "--workload", workload, "--json", "--only", .. only]);
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        Assert.All(JsonNode.Parse(run.Output)!["rows"]!.AsArray(), row => Assert.True((int)row!["figures"]!["transfers"]! > 0));
    }

    [Fact]
    public void Turns_of_xhci_are_measured_as_those_of_ehci_are_and_what_has_no_figure_says_why()
    {
        Assert.Equal(["direct-x", "b-x"], _rows.Value.Where(row => row.Value["figures"]?["periodicLoadMax"] is null && row.Value["figures"] is not null).Select(row => row.Key));
        Assert.All(["direct-x", "b-x"], letters => Assert.Equal("a bus for each port", _rows.Value[letters]["figures"]!["periodicRefusal"]!.ToString()));
        Assert.All(["direct", "b", "c+a"], letters => Assert.Equal("", _rows.Value[letters]["figures"]!["periodicRefusal"]!.ToString()));

        // The reference has no exits; a switch of xHCI is shorter; and a disk of one in turns gets about a quarter of what it gets alone.
        Assert.Equal((0, 0), (Exits("direct-x"), Copies("direct-x")));
        Assert.True(Exits("b-x") < 2 && Copies("b-x") < 0.01 && Number("b-x", "gapNs") < Number("b", "gapNs"));
        Assert.InRange(Number("b-x", "bytes") / Number("direct-x", "bytes"), 0.2, 0.3);
        Assert.InRange(Number("b", "bytes") / Number("direct", "bytes"), 0.2, 0.3);
    }

    [Theory]
    [InlineData("bulk")]
    [InlineData("keyboard")]
    [InlineData("audio")]
    public void Each_work_has_the_figures_that_it_is_about(string workload)
    {
        ToolRun run = ToolRun.Of("compare", "sharing", "--vms", "3", "--workload", workload, "--only", "direct", "c+a", "--json");
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        JsonNode[] figures = [.. JsonNode.Parse(run.Output)!["rows"]!.AsArray().Select(row => row!["figures"]!)];
        Assert.Equal(2, figures.Length);
        Assert.All(figures, of => Assert.Equal(
            (workload == "bulk", workload == "keyboard", workload == "audio"),
            (of["transfer"] is not null && of["jain"] is not null, of["key"] is not null, (int)of["slotsDue"]! > 1900)));
        foreach (JsonNode latency in figures.SelectMany(of => new[] { of["transfer"], of["key"] }).OfType<JsonNode>())
            Assert.True((int)latency["median"]! <= (int)latency["most"]! && (int)latency["most"]! <= (int)latency["longest"]! && (double)latency["mean"]! <= (int)latency["longest"]!);
        Assert.All(figures, of => Assert.True(of["jain"] is null || (double)of["jainLeast"]! <= (double)of["jain"]! + 1e-3));
        Assert.All(figures, of => Assert.Equal(workload != "bulk", (double)of["periodicLoadMax"]! > 0));
        if (workload == "bulk")
            Assert.True((int)figures[1]["bytes"]! < (int)figures[0]["bytes"]!);
    }

    [Fact]
    public void A_person_sees_what_each_takes_and_what_each_cannot_do()
    {
        ToolRun run = ToolRun.Of("compare", "sharing", "--vms", "2", "--only", "direct", "c", "j");
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        Assert.Contains("2 VMs on one controller", run.Output, StringComparison.Ordinal);
        Assert.Contains("REFUSED: c: VM 1: GET_DESCRIPTOR(Device) ended as NoAnswer", run.Output, StringComparison.Ordinal);
        Assert.Contains("REFUSED: j: it has no USB devices.", run.Output, StringComparison.Ordinal);
        Assert.Contains("As expected:", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mechanism_that_takes_more_than_it_should_is_told_of()
    {
        SharingMechanism greedy = SharingMechanisms.All.Single(mechanism => mechanism.Letters == "emulated") with { ExitsMax = 1, CopiesMax = 1 };
        SharingComparisonReport report = new SharingComparison(new(2, SharingWorkload.Bulk, Seed: 1), [greedy]).Run(static _ => { });
        Assert.Equal(["more than 1 exits for a transfer", "more than 1 bytes copied for a byte"], Assert.Single(report.Rows).Unexpected);
        Assert.False(report.IsAsExpected);
    }

    [Fact]
    public void A_mechanism_that_fails_at_work_that_it_should_do_is_told_of_and_so_is_one_that_loses_what_it_promised()
    {
        SharingMechanism sets = SharingMechanisms.All.Single(mechanism => mechanism.Letters == "c");
        SharingMechanism[] wrong =
        [
            sets with { Refuses = false },
            SharingMechanisms.All.Single(mechanism => mechanism.Letters == "direct") with { Refuses = true },
            SharingMechanisms.All.Single(mechanism => mechanism.Letters == "b") with { KeepsPromises = true },
        ];
        SharingComparisonReport report = new SharingComparison(new(2, SharingWorkload.Audio, Seed: 1), wrong).Run(static _ => { });
        Assert.Equal(
            ["it does not do the work", "it does work that it should refuse", "it missed slots that it had promised"],
            report.Rows.Select(row => Assert.Single(row.Unexpected)));
        Assert.False(report.IsAsExpected);
    }

    [Fact]
    public void Turns_that_keep_a_disk_waiting_longer_than_they_should_are_told_of()
    {
        SharingMechanism slow = SharingMechanisms.All.Single(mechanism => mechanism.Letters == "b-x") with { SwitchNsMax = 0 };
        SharingComparisonReport report = new SharingComparison(new(2, SharingWorkload.Bulk, Seed: 1), [slow]).Run(static _ => { });
        Assert.Equal(["a disk waited for longer than all other turns and their switches"], Assert.Single(report.Rows).Unexpected);
    }

    [Theory]
    [InlineData("--vms", "1")]
    [InlineData("--vms", "9")]
    [InlineData("--workload", "radio")]
    [InlineData("--only", "z")]
    [InlineData("--trace", "timeline.json")]
    [InlineData("--trace", "timeline.json", "--only", "j")]
    [InlineData("--trace", "timeline.json", "--only", "e", "--only", "g")]
    public void What_cannot_be_compared_is_refused_in_one_line(params string[] words)
    {
        ToolRun run = ToolRun.Of(["compare", "sharing", .. words]);
        Assert.Equal((ExitCode.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Single(run.Error.TrimEnd('\n').Split('\n'));
        Assert.False(File.Exists("timeline.json"));
    }

    private static double Number(string letters, string name) => (double)_rows.Value[letters]["figures"]![name]!;

    private static double Exits(string letters) => Number(letters, "exitsPerTransfer");

    private static double Copies(string letters) => Number(letters, "copiesPerByte");

    private static double Cycles(string letters) => Number(letters, "cyclesPerByte");
}
