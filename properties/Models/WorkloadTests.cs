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
}
