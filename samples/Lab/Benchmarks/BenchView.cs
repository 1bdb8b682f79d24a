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
            .AddColumn(new TableColumn("bytes").RightAligned());
        foreach (Measurement measurement in measurements)
        {
            double? aim = measurement.RatioMax;
            string colour = measurement.Ratio > aim ? "red" : "green";
            table.AddRow(
                Markup.Escape(measurement.Name),
                Markup.Escape(measurement.WorkingSet),
                Number(measurement.Ns),
                measurement.BaselineNs == 0 ? "" : Number(measurement.BaselineNs),
                aim is null ? Number(measurement.Ratio) : $"[{colour}]{Number(measurement.Ratio)}[/]",
                aim is { } ratio ? $"<= {Number(ratio)}" : "",
                measurement.AllocatedBytes.ToString("N0", CultureInfo.InvariantCulture));
        }

        console.Write(table);
        console.WriteLine("ratio: the median over many moments of both sides; of memory, the part of its limit that is used.");
        console.WriteLine("bytes: what one operation allocates; of memory, what one VM takes.");
    }

    private static string Number(double value) => value.ToString(value < 100 ? "N2" : "N0", CultureInfo.InvariantCulture);
}
