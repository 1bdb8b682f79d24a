using BenchmarkDotNet.Attributes;
using Dma.Workloads;

namespace Dma.Benchmarks;

/// <summary>Every workload, by the simulator and by its baseline; the column Ratio is the result.</summary>
[MemoryDiagnoser]
public class WorkloadBenchmarks
{
    private Workload? _workload;

    /// <summary>Which one.</summary>
    [ParamsSource(nameof(Cases))]
    public string Case { get; set; } = "";

    /// <summary>All of them.</summary>
    public static IEnumerable<string> Cases => WorkloadCase.All.Select(known => known.ToString());

    /// <summary>Sets it up; a ratio of different answers would mean nothing.</summary>
    [GlobalSetup]
    public void SetUp()
    {
        _workload = WorkloadCase.All.Single(known => known.ToString() == Case).Create();
        if (_workload.FindDifference() is { } difference)
            throw new InvalidOperationException($"{Case}: {difference}");
    }

    /// <summary>Gives its memory back.</summary>
    [GlobalCleanup]
    public void CleanUp() => _workload!.Dispose();

    /// <summary>What is within reach.</summary>
    [Benchmark(Baseline = true, OperationsPerInvoke = Workload.OperationsPerBatch)]
    public ulong Baseline() => _workload!.Baseline();

    /// <summary>What the simulator does.</summary>
    [Benchmark(OperationsPerInvoke = Workload.OperationsPerBatch)]
    public ulong Simulator() => _workload!.Simulator();
}
