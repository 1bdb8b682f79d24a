using System.Text.Json.Nodes;
using Dma.Lab;

namespace Dma.Properties;

/// <summary><c>dma compare models</c>: what it measures, and that it would see a model that is out of order.</summary>
public sealed class CompareModelsTests
{
    private static readonly Lazy<ToolRun> _json = new(() => ToolRun.Of("compare", "models", "--json"));

    [Fact]
    public void Every_piece_of_work_comes_to_the_same_by_each_model_and_costs_less_from_model_to_model()
    {
        Assert.Equal((ExitCode.Ok, ""), (_json.Value.ExitCode, _json.Value.Error));
        JsonNode report = JsonNode.Parse(_json.Value.Output)!;
        Assert.True((bool)report["isDataEqual"]! && (bool)report["isInOrder"]!);
        JsonNode[] all = [.. report["work"]!.AsArray().Select(figures => figures!)];
        Assert.Equal(2 * 3 * 5, all.Length);
        foreach (IGrouping<string, JsonNode> group in all.GroupBy(figures => $"{figures["controller"]} {figures["work"]}"))
        {
            JsonNode[] models = [.. group];
            Assert.Equal(["Emulated", "Split", "Direct"], models.Select(figures => (string)figures["model"]!));

            // What the guest moves is the same; a recording may take a row more until the first sound is there.
            Assert.All(models, figures => Assert.InRange((int)figures["transfers"]!, (int)models[2]["transfers"]!, (int)models[2]["transfers"]! + 2));
            Assert.True((ulong)models[0]["exits"]! > (ulong)models[1]["exits"]!);
            Assert.Equal(0ul, (ulong)models[2]["exits"]! + (ulong)models[2]["copiedBytes"]! + (ulong)models[2]["invalidations"]!);
            Assert.True((ulong)models[0]["copiedBytes"]! > 2 * (ulong)models[0]["bytes"]!);
            Assert.True((ulong)models[1]["copiedBytes"]! <= 2 * (ulong)models[1]["bytes"]!);
            Assert.All(models, figures => Assert.Equal(0ul, (ulong)figures["slotsMissed"]!));

            // A stream has the pace of its slots by each model.
            Assert.True((ulong)models[0]["slotsDue"]! != 0 || Latency(models[0]) >= Latency(models[2]), group.Key);
        }
    }

    [Fact]
    public void A_timeline_goes_from_the_driver_that_asks_to_the_driver_that_has_the_answer()
    {
        JsonNode report = JsonNode.Parse(_json.Value.Output)!;
        JsonNode[] timelines = [.. report["timelines"]!.AsArray().Select(timeline => timeline!)];
        Assert.Equal(6, timelines.Length);
        foreach (JsonNode timeline in timelines)
        {
            JsonNode[] events = [.. timeline["events"]!.AsArray().Select(entry => entry!)];
            Assert.Equal(("driver asks", "driver has the answer"), ((string)events[0]["what"]!, (string)events[^1]["what"]!));
            Assert.True(events.Zip(events.Skip(1)).All(pair => (ulong)pair.First["startNs"]! <= (ulong)pair.Second["startNs"]!));

            // 31 bytes of command, 4096 of data and 13 of status cross the bus.
            Assert.Equal(31ul + 4096 + 13, events.Where(entry => (string)entry["lane"]! == "Bus").Aggregate(0ul, (sum, entry) => sum + (ulong)entry["bytes"]!));
            bool isDirect = (string)timeline["model"]! == "Direct";
            Assert.Equal(isDirect, !events.Any(entry => (string)entry["what"]! is "exit" or "hypercall" or "copies"));
        }
    }

    [Fact]
    public void A_person_sees_tables_mediators_and_one_timeline_for_each_model()
    {
        ToolRun run = ToolRun.Of("compare", "models", "--usb", "ehci", "--timeline");
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        Assert.Contains("The same guest work by three models, EHCI", run.Output, StringComparison.Ordinal);
        Assert.Contains("mediator: back end of the split driver", run.Output, StringComparison.Ordinal);
        Assert.Contains("mediator: none: the whole controller is the VM's", run.Output, StringComparison.Ordinal);
        Assert.Contains("In order: exits emulated >= split >= direct", run.Output, StringComparison.Ordinal);
        Assert.Equal(3, run.Output.Split("A read of 4 KiB").Length - 1);
        Assert.DoesNotContain("XHCI", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_report_with_a_model_out_of_order_or_with_other_data_says_so()
    {
        ModelFigures[] work = [Figures(IoModel.Emulated, 9), Figures(IoModel.Split, 2), Figures(IoModel.Direct, 0)];
        Assert.True(ReportOf(work) is { IsInOrder: true, IsDataEqual: true });
        Assert.False(ReportOf([work[0], work[1] with { Exits = 10 }, work[2]]).IsInOrder);
        Assert.False(ReportOf([work[0], work[1], work[2] with { Exits = 3 }]).IsInOrder);
        Assert.False(ReportOf([work[0], work[1] with { Sha256 = "other" }, work[2]]).IsDataEqual);
        Assert.False(ReportOf([work[0], work[1] with { IsEqual = false }, work[2]]).IsDataEqual);
    }

    private static double Latency(JsonNode figures) => (double)figures["latencyMean"]!;

    private static ModelReport ReportOf(ModelFigures[] work) => new(work, [], [], 1, "friendly");

    private static ModelFigures Figures(IoModel model, ulong exits) => new()
    {
        Controller = "ehci",
        Model = model,
        Work = "work",
        Transfers = 1,
        Bytes = 1,
        Exits = exits,
        Hypercalls = 0,
        Injections = 0,
        Invalidations = 0,
        CopiedBytes = 0,
        LatencyMean = 1,
        LatencyMax = 1,
        GuestCycles = 1,
        VmmCycles = 1,
        HostCycles = 1,
        SlotsDue = 0,
        SlotsMissed = 0,
        TimeNs = 1,
        Sha256 = "one",
        IsEqual = true,
    };
}
