using System.Globalization;
using Dma.Workloads;
using Spectre.Console;

namespace Dma.Lab;

/// <summary>Measurements for a person: one line each, with the ratio that is aimed at beside the one that was found.</summary>
internal static class BenchView
{
    /// <summary>Writes the tables: of real time, and of what interrupts cost a guest in virtual time.</summary>
    public static void Write(IAnsiConsole console, IReadOnlyList<Measurement> measurements)
    {
        WriteTimes(console, [.. measurements.Where(measurement => measurement.Exits is null)]);
        WriteDeliveries(console, [.. measurements.Where(measurement => measurement.Exits is not null)]);
    }

    private static void WriteTimes(IAnsiConsole console, IReadOnlyList<Measurement> measurements)
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
        console.WriteLine("ratio: the median over many moments of both sides; of memory and of a whole disk, the part of its limit that is used.");
        console.WriteLine("bytes: what one operation allocates; of memory, what one VM takes; of a whole disk, what is allocated in all.");
    }

    private static void WriteDeliveries(IAnsiConsole console, IReadOnlyList<Measurement> measurements)
    {
        if (measurements.Count == 0)
            return;
        Table table = new Table { Border = TableBorder.Rounded, Title = new("What one interrupt costs a guest, in virtual time") }
            .AddColumn("what")
            .AddColumn("load")
            .AddColumn(new TableColumn("exits").RightAligned())
            .AddColumn(new TableColumn("notifications").RightAligned())
            .AddColumn(new TableColumn("ns").RightAligned())
            .AddColumn(new TableColumn("ratio").RightAligned());
        foreach (Measurement measurement in measurements)
        {
            table.AddRow(
                Markup.Escape(measurement.Name),
                Markup.Escape(measurement.WorkingSet),
                Number(measurement.Exits ?? 0),
                Number(measurement.Notifications ?? 0),
                Number(measurement.Ns),
                Number(measurement.Ratio));
        }

        console.Write(table);
        console.WriteLine("exits and notifications are counted, ns follow from the cost model: no noise; ratio: to emulation.");
    }

    private static string Number(double value) => value.ToString(value < 100 ? "N2" : "N0", CultureInfo.InvariantCulture);
}
