using System.CommandLine;
using Dma.Workloads;

namespace Dma.Lab;

/// <summary><c>dma bench</c>: the hot paths beside baselines that show what this machine can do.</summary>
internal sealed class Bench : Verb
{
    private static readonly TimeSpan ShortTime = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongTime = TimeSpan.FromSeconds(5);

    private static readonly RunGroup[] s_runs =
    [
        new("whole disk", DiskRun.Count, DiskRun.Measure),
        new("interrupt into a guest", DeliveryRun.Count, DeliveryRun.Measure),
        new("memory of a VM", MemoryUse.Count, MemoryUse.Measure),
    ];

    private readonly Option<bool> _quick = new("--quick")
    {
        Description = "Measure each line for a quarter of a second instead of five seconds.",
    };

    private readonly Option<string> _only = new("--only")
    {
        Description = "Measure the lines alone whose names contain this, such as 'walk' or 'memory'.",
        HelpName = "TEXT",
        DefaultValueFactory = static _ => "",
    };

    private readonly JsonOption _json = new("the measurements as one JSON array");

    /// <summary>The verb.</summary>
    public Bench(Terminal terminal)
        : base("bench", "Measure translations, walks, mappings, transfers and USB beside baselines written for the purpose, interrupts into guests, and the memory of VMs.", terminal) => Add(_quick, _only, _json);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples => ["bench --quick", "bench --only walk", "bench --quick --json"];

    /// <inheritdoc/>
    protected override int Run(ParseResult line)
    {
        string only = line.GetRequiredValue(_only);
        WorkloadCase[] cases = [.. WorkloadCase.All.Where(measured => Matches(measured.Name, only))];
        RunGroup[] runs = [.. s_runs.Where(run => Matches(run.Name, only))];
        int count = cases.Length + runs.Sum(run => run.Count);
        if (count == 0)
            return Terminal.Refuse($"No line's name contains '{only}'.");
        TimeSpan time = line.GetValue(_quick) ? ShortTime : LongTime;
        List<Measurement> measurements = [];
        using (ProgressLine progress = new(Terminal, "measured", "lines", 1))
        {
            foreach (Measurement measurement in QuickRun.Measure(cases, time).Concat(runs.SelectMany(run => run.Measure())))
            {
                measurements.Add(measurement);
                progress.Report((ulong)measurements.Count, (ulong)count);
            }
        }

        if (line.GetValue(_json))
            Terminal.WriteJson(measurements, BenchJson.Default.ListMeasurement);
        else
            BenchView.Write(Terminal.Output, measurements);
        return ExitCode.Ok;
    }

    private static bool Matches(string name, string only) => name.Contains(only, StringComparison.OrdinalIgnoreCase);

    /// <summary>Lines that one run gives.</summary>
    /// <param name="Name">What they have in their names.</param>
    /// <param name="Count">How many there are.</param>
    /// <param name="Measure">Gives them.</param>
    private sealed record RunGroup(string Name, int Count, Func<IEnumerable<Measurement>> Measure);
}
