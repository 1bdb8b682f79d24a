using System.Diagnostics;
using System.Runtime;

namespace Dma.Workloads;

/// <summary>Measures workloads in rounds: a moment of the baseline, a moment of the simulator, and so on for a while.</summary>
/// <remarks>
/// Both halves of a round are short and equally long, so that whatever else the machine does slows both or makes an
/// outlier: the ratio is taken inside each round, and the median over all. The runtime first compiles quickly and later, in the background,
/// well: so the warm-up ends when nothing more was compiled for a while, not after a number of calls.
/// </remarks>
public static class Rounds
{
    /// <summary>The least number of rounds, however long they take.</summary>
    public const int RoundsMin = 15;

    private const double HalfNs = 100_000;
    private const double BatchNsMin = 10;

    // The runtime compiles well what is hot once it had nothing new for 100 ms, in a thread that may have to wait; on a single processor, for ten times as long.
    private static readonly TimeSpan s_quiet = TimeSpan.FromMilliseconds(Environment.ProcessorCount == 1 ? 1500 : 300);
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
        Func<ulong> baselineBatch = workload.Baseline;
        Func<ulong> simulatorBatch = workload.Simulator;
        int baselineBatches = BatchesInHalf(baselineBatch);
        int simulatorBatches = BatchesInHalf(simulatorBatch);
        while (ratio.Count < RoundsMin || Stopwatch.GetElapsedTime(start) < duration)
        {
            double baselineNs = Time(baselineBatch, baselineBatches);
            long before = GC.GetAllocatedBytesForCurrentThread();
            double simulatorNs = Time(simulatorBatch, simulatorBatches);
            allocated += GC.GetAllocatedBytesForCurrentThread() - before;

            simulator.Add(simulatorNs);
            baseline.Add(baselineNs);
            ratio.Add(simulatorNs / baselineNs);
        }

        double operations = (double)ratio.Count * simulatorBatches * Workload.OperationsPerBatch;
        return new(measured.Name, measured.WorkingSet, Median(simulator), Median(baseline), Median(ratio), allocated / operations) { RatioMax = measured.RatioMax };
    }

    // From the fastest of several batches, since others may have been interrupted.
    private static int BatchesInHalf(Func<ulong> batch)
    {
        double fastest = double.MaxValue;
        for (int sample = 0; sample < RoundsMin; sample++)
            fastest = Math.Min(fastest, Time(batch, 1) * Workload.OperationsPerBatch);

        // A batch in which nothing is to be done may take less than the clock can tell.
        return (int)(HalfNs / Math.Clamp(fastest, BatchNsMin, HalfNs));
    }

    // Nanoseconds of one operation.
    private static double Time(Func<ulong> batch, int batches)
    {
        long begin = Stopwatch.GetTimestamp();
        for (int count = 0; count < batches; count++)
            _ = batch();
        return (Stopwatch.GetTimestamp() - begin) * (1e9 / Stopwatch.Frequency) / ((double)batches * Workload.OperationsPerBatch);
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        int middle = values.Count / 2;
        return values.Count % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    }
}
