using System.CommandLine;
using Dma.Workloads;

namespace Dma.Lab;

/// <summary><c>dma bench</c>: the hot paths beside baselines that show what this machine can do.</summary>
internal sealed class Bench : Verb
{
    private static readonly TimeSpan ShortTime = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongTime = TimeSpan.FromSeconds(5);

    private readonly Option<bool> _quick = new("--quick")
    {
        Description = "Measure each line for a quarter of a second instead of five seconds.",
    };

    private readonly Option<bool> _json = new("--json")
    {
        Description = "Write the measurements as one JSON array.",
    };

    /// <summary>The verb.</summary>
    public Bench(Terminal terminal)
        : base("bench", "Measure translations, walks, mappings, transfers and USB beside baselines written for the purpose, interrupts into guests, and the memory of VMs.", terminal)
    {
        Add(_quick);
        Add(_json);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples => ["bench --quick", "bench --quick --json"];

    /// <inheritdoc/>
    protected override int Run(ParseResult line)
    {
        TimeSpan time = line.GetValue(_quick) ? ShortTime : LongTime;
        List<Measurement> measurements = [];
        using (ProgressLine progress = new(Terminal, "measured", "lines", 1))
        {
            foreach (Measurement measurement in QuickRun.Measure(WorkloadCase.All, time).Concat(DiskRun.Measure()).Concat(DeliveryRun.Measure()).Concat(MemoryUse.Measure()))
            {
                measurements.Add(measurement);
                progress.Report((ulong)measurements.Count, (ulong)(WorkloadCase.All.Count + DiskRun.Count + DeliveryRun.Count + MemoryUse.Count));
            }
        }

        if (line.GetValue(_json))
            Terminal.WriteJson(measurements, BenchJson.Default.ListMeasurement);
        else
            BenchView.Write(Terminal.Output, measurements);
        return ExitCode.Ok;
    }
}
