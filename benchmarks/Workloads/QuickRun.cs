namespace Dma.Workloads;

/// <summary>Measures every workload shortly: the same ratios as the long benchmarks, in seconds.</summary>
public static class QuickRun
{
    /// <summary>Measures the cases one after another; each result comes as soon as it is known.</summary>
    /// <param name="cases">What to measure.</param>
    /// <param name="duration">How long each is measured, after its warm-up.</param>
    /// <exception cref="InvalidOperationException">Simulator and baseline disagree, so that a ratio would mean nothing.</exception>
    public static IEnumerable<Measurement> Measure(IEnumerable<WorkloadCase> cases, TimeSpan duration)
    {
        foreach (WorkloadCase measured in cases)
        {
            using Workload workload = measured.Create();
            if (workload.FindDifference() is { } difference)
                throw new InvalidOperationException($"{measured}: {difference}");

            // What the workload before has left is not collected on this one's time.
            GC.Collect();
            Rounds.WarmUp(workload);
            yield return Rounds.Measure(measured, workload, duration);
        }
    }
}
