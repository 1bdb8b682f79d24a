using System.Globalization;
using Dma.Workloads;
using Spectre.Console;

namespace Dma.Lab;

/// <summary>Measurements for a person: one line each, with the ratio that is aimed at beside the one that was found.</summary>
internal static class BenchView
{
    /// <summary>Writes the table.</summary>
    public static void Write(IAnsiConsole console, IReadOnlyList<Measurement> measurements)
    {
        Table table = new Table { Border = TableBorder.Rounded, Title = new("Nanoseconds of one operation, beside the limit of this machine") }
            .AddColumn("what")
            .AddColumn("working set")
            .AddColumn(new TableColumn("ns").RightAligned())
            .AddColumn(new TableColumn("baseline ns").RightAligned())
            .AddColumn(new TableColumn("ratio").RightAligned())
            .AddColumn(new TableColumn("aim").RightAligned())
            .AddColumn(new TableColumn("bytes allocated").RightAligned());
        foreach (Measurement measurement in measurements)
        {
            double? aim = WorkloadCase.All.First(known => known.Name == measurement.Name && known.WorkingSet == measurement.WorkingSet).RatioMax;
            string colour = aim is { } most && measurement.Ratio > most ? "red" : "green";
            table.AddRow(
                Markup.Escape(measurement.Name),
                Markup.Escape(measurement.WorkingSet),
                Number(measurement.Ns),
                Number(measurement.BaselineNs),
                aim is null ? Number(measurement.Ratio) : $"[{colour}]{Number(measurement.Ratio)}[/]",
                aim is { } ratio ? $"<= {Number(ratio)}" : "",
                Number(measurement.AllocatedBytes));
        }

        console.Write(table);
    }

    private static string Number(double value) => value.ToString("N2", CultureInfo.InvariantCulture);
}
