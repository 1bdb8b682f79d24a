using System.Text.Json;
using Dma.Lab;
using Dma.Workloads;

namespace Dma.Properties;

/// <summary>What is measured gives right answers; how fast it gives them is no test.</summary>
public sealed class WorkloadTests
{
    public static TheoryData<string> Cases => [.. WorkloadCase.All.Select(known => known.ToString())];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Simulator_and_baseline_give_the_same_answers(string name)
    {
        using Workload workload = WorkloadCase.All.Single(known => known.ToString() == name).Create();
        Assert.Null(workload.FindDifference());
    }

    [Fact]
    public void A_measurement_has_the_name_of_its_case_and_figures_above_zero()
    {
        WorkloadCase measured = WorkloadCase.All[0];
        Measurement measurement = Assert.Single(QuickRun.Measure([measured], TimeSpan.FromMilliseconds(1)));
        Assert.Equal((measured.Name, measured.WorkingSet), (measurement.Name, measurement.WorkingSet));
        Assert.True(measurement is { Ns: > 0, BaselineNs: > 0, Ratio: > 0, AllocatedBytes: >= 0 });
    }

    [Fact]
    public void Results_are_written_for_programs_with_these_members_and_no_others()
    {
        List<Measurement> results = [new("translate", "64 x 4K", 3, 2, 1.5, 0) { RatioMax = 2 }];
        using JsonDocument json = JsonDocument.Parse(JsonSerializer.Serialize(results, BenchJson.Default.ListMeasurement));
        JsonElement line = Assert.Single(json.RootElement.EnumerateArray().ToArray());
        Assert.Equal(["name", "workingSet", "ns", "baselineNs", "ratio", "allocatedBytes"], line.EnumerateObject().Select(member => member.Name));
        Assert.Equal(("translate", "64 x 4K"), (line.GetProperty("name").GetString(), line.GetProperty("workingSet").GetString()));
        Assert.Equal((3.0, 2.0, 1.5, 0.0), (
            line.GetProperty("ns").GetDouble(), line.GetProperty("baselineNs").GetDouble(),
            line.GetProperty("ratio").GetDouble(), line.GetProperty("allocatedBytes").GetDouble()));
    }

    [Fact]
    public void Every_machine_of_a_fleet_reads_its_own_disk()
    {
        using Fleet fleet = new(40, 4096);
        fleet.Run();
    }

    [Theory]
    [InlineData(ControllerKind.Ehci)]
    [InlineData(ControllerKind.Xhci)]
    public void A_disk_that_is_measured_is_read_whole(ControllerKind controller) =>
        Assert.True(DiskRun.Of(controller, 8 << 20).Time > TimeSpan.Zero);

    [Fact]
    public void A_batch_that_takes_no_time_is_measured_all_the_same()
    {
        WorkloadCase nothing = new("nothing", "", null, static () => new NoWork());
        Assert.True(Assert.Single(QuickRun.Measure([nothing], TimeSpan.FromMilliseconds(1))).Ns < 1);
    }

    private sealed class NoWork : Workload
    {
        public override ulong Baseline() => 0;

        public override ulong Simulator() => 0;

        public override string? FindDifference() => null;

        protected override void Dispose(bool disposing)
        {
        }
    }
}
