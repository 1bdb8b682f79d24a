using System.Diagnostics;
using System.Runtime;

namespace Dma.Workloads;

/// <summary>Measures workloads in rounds: a batch of the baseline, a batch of the simulator, and so on for a while.</summary>
/// <remarks>
/// A round is short, so that whatever else the machine does slows both of its halves or is an outlier: the ratio is
/// taken inside each round, and the median over all. The runtime first compiles quickly and later, in the background,
/// well: so the warm-up ends when nothing more was compiled for a while, not after a number of calls.
/// </remarks>
public static class Rounds
{
    /// <summary>The least number of rounds, however long they take.</summary>
    public const int RoundsMin = 15;

    // The runtime compiles well what is hot once it had nothing new for 100 ms; on a single processor, for ten times as long.
    private static readonly TimeSpan s_quiet = TimeSpan.FromMilliseconds(Environment.ProcessorCount == 1 ? 1500 : 250);
    private static readonly TimeSpan s_warmUpMax = TimeSpan.FromSeconds(5);

    /// <summary>Runs a workload until its code is as fast as it gets.</summary>
    public static void WarmUp(Workload workload)
    {
        long start = Stopwatch.GetTimestamp();
        long changed = start;
        long methods = JitInfo.GetCompiledMethodCount();
        while (Stopwatch.GetElapsedTime(changed) < s_quiet && Stopwatch.GetElapsedTime(start) < s_warmUpMax)
        {
            _ = workload.Baseline();
            _ = workload.Simulator();
            long now = JitInfo.GetCompiledMethodCount();
            if (now == methods)
                continue;
            methods = now;
            changed = Stopwatch.GetTimestamp();
        }
    }

    /// <summary>Measures a workload that was warmed up.</summary>
    /// <param name="measured">What it is called.</param>
    /// <param name="workload">What to measure.</param>
    /// <param name="duration">For how long.</param>
    public static Measurement Measure(WorkloadCase measured, Workload workload, TimeSpan duration)
    {
        List<double> simulator = [];
        List<double> baseline = [];
        List<double> ratio = [];
        long allocated = 0;
        long start = Stopwatch.GetTimestamp();
        while (ratio.Count < RoundsMin || Stopwatch.GetElapsedTime(start) < duration)
        {
            long begin = Stopwatch.GetTimestamp();
            _ = workload.Baseline();
            double baselineNs = Stopwatch.GetElapsedTime(begin).TotalNanoseconds / Workload.OperationsPerBatch;

            long before = GC.GetAllocatedBytesForCurrentThread();
            begin = Stopwatch.GetTimestamp();
            _ = workload.Simulator();
            double simulatorNs = Stopwatch.GetElapsedTime(begin).TotalNanoseconds / Workload.OperationsPerBatch;
            allocated += GC.GetAllocatedBytesForCurrentThread() - before;

            simulator.Add(simulatorNs);
            baseline.Add(baselineNs);
            ratio.Add(simulatorNs / baselineNs);
        }

        double operations = (double)ratio.Count * Workload.OperationsPerBatch;
        return new(measured.Name, measured.WorkingSet, Median(simulator), Median(baseline), Median(ratio), allocated / operations);
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        int middle = values.Count / 2;
        return values.Count % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    }
}
