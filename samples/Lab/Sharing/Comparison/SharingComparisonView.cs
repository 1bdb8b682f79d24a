using System.Globalization;
using Spectre.Console;

namespace Dma.Lab;

/// <summary>A comparison of mechanisms for a person: what they cost, what they need, and what each cannot do.</summary>
internal static class SharingComparisonView
{
    /// <summary>Writes it.</summary>
    public static void Write(IAnsiConsole console, SharingComparisonReport report)
    {
        console.Write(Figures(report));
        console.WriteLine("µf: microframes, the mean, and (99 of 100, the longest); Jain: in all, and (in the least even 10 ms); gap: the longest wait of a disk for the bus;");
        console.WriteLine("periodic: of the 100 µs of a microframe.");
        if (report.Workload == SharingWorkload.Video)
            console.WriteLine("in full: streams that have the size which was asked for first; the others were refused it, and took less.");
        console.Write(Matrix(report));
        foreach (SharingRow row in report.Rows.Where(row => row.Refusal.Length != 0))
            console.MarkupLineInterpolated($"[yellow]REFUSED:[/] {row.Letters}: {row.Refusal}.");
        foreach (SharingRow row in report.Rows)
        {
            foreach (string unexpected in row.Unexpected)
                console.MarkupLineInterpolated($"[red]UNEXPECTED:[/] {row.Letters}: {unexpected}.");
        }

        if (report.IsAsExpected)
            console.MarkupLine("[green]As expected:[/] whoever does the work does it byte for byte, with no more exits and copies than it should have.");
    }

    private static Table Figures(SharingComparisonReport report)
    {
        Table table = new Table { Border = TableBorder.Rounded, Title = new(Text($"{report.Vms} VMs on one controller for {report.WindowNs / 1_000_000} ms: {Describe(report.Workload)}")) }
            .AddColumns("", "IOs", "exits/IO", "copies/B", "µf/disk IO", "µf/key", "Jain", "gap ms", "periodic", "missed", "cycles/B");
        bool hasChoice = report.Workload == SharingWorkload.Video;
        if (hasChoice)
            table.AddColumn("in full");
        foreach (SharingRow row in report.Rows)
        {
            if (row.Figures is not { } figures)
            {
                table.AddRow([row.Letters, .. Enumerable.Repeat("—", table.Columns.Count - 1)]);
                continue;
            }

            table.AddRow([
                row.Letters,
                Text($"{figures.Transfers:N0}"),
                Text($"{figures.ExitsPerTransfer:F2}"),
                Text($"{figures.CopiesPerByte:F2}"),
                Describe(figures.Transfer),
                Describe(figures.Key),
                figures.Jain is { } jain ? Text($"{jain:F3} ({figures.JainLeast:F2})") : "",
                figures.Transfer is null ? "" : Text($"{figures.GapNs / 1e6:F2}"),
                Text($"{100 * figures.PeriodicLoadMax:F1} %"),
                figures.SlotsDue == 0 ? "" : Text($"{figures.SlotsMissed:N0} of {figures.SlotsDue:N0}"),
                figures.CyclesPerByte >= 100 ? Text($"{figures.CyclesPerByte:N0}") : Text($"{figures.CyclesPerByte:F2}"),
                .. hasChoice ? (string[])[Text($"{figures.StreamsInFull} of {figures.Streams}")] : [],
            ]);
        }

        return table;
    }

    private static Table Matrix(SharingComparisonReport report)
    {
        Table table = new Table { Border = TableBorder.Rounded }.AddColumns("", "what it is", "what it needs", "VMs are kept apart by", "what it cannot do");
        foreach (SharingRow row in report.Rows)
            table.AddRow(row.Letters, row.Title, row.Needs, row.Isolation, row.Cannot);
        return table;
    }

    private static string Describe(SharingWorkload workload) => workload switch
    {
        SharingWorkload.Mix => "a disk, a microphone, a keyboard, in turn",
        SharingWorkload.Bulk => "each reads its disk",
        SharingWorkload.Keyboard => "somebody types on each",
        SharingWorkload.Video => "each has a camera, and wants half of the bus",
        _ => "each records sound",
    };

    private static string Describe(SharingLatency? latency) =>
        latency is null ? "" : Text($"{latency.Mean:F1} ({latency.Most}, {latency.Longest})");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
