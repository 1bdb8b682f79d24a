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
        console.WriteLine("µf: microframes, mean and (longest); least: Jain's index in the least even 10 ms; gap: the longest wait of a disk for the bus; periodic: of the 100 µs of a microframe; missed: of isochronous slots.");
        foreach (SharingRow row in report.Rows.Where(static row => row.Figures is { PeriodicLoadMax: null }))
            console.WriteLine($"¹ {row.Letters}: {row.Figures!.PeriodicRefusal}.");
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
        {
            console.MarkupLine(report.Rows.Any(static row => row.Figures is not null)
                ? "[green]As expected:[/] whoever does the work does it byte for byte, with no more exits and copies than it should have."
                : "[green]As expected:[/] nobody does the work, and each says why.");
        }
    }

    // What none of the rows has is no column: no keys where nobody types.
    private static Table Figures(SharingComparisonReport report)
    {
        SharingFigures[] all = [.. report.Rows.Select(row => row.Figures).OfType<SharingFigures>()];
        (string Title, bool IsShown, Func<SharingFigures, string> Show)[] columns =
        [
            ("IOs", true, static figures => Text($"{figures.Transfers:N0}")),
            ("exits\n/IO", true, static figures => Text($"{figures.ExitsPerTransfer:F2}")),
            ("copies\n/B", true, static figures => Text($"{figures.CopiesPerByte:F2}")),
            ("µf/disk IO", all.Any(static figures => figures.Transfer is not null), static figures => Describe(figures.Transfer)),
            ("µf/key", all.Any(static figures => figures.Key is not null), static figures => Describe(figures.Key)),
            ("Jain", all.Any(static figures => figures.Jain is not null), static figures => Text($"{figures.Jain:F3}")),
            ("least", all.Any(static figures => figures.JainLeast is not null), static figures => Text($"{figures.JainLeast:F2}")),
            ("gap ms", all.Any(static figures => figures.Transfer is not null), static figures => Text($"{figures.GapNs / 1e6:F2}")),
            ("periodic", true, static figures => figures.PeriodicLoadMax is { } load ? Text($"{100 * load:F1} %") : "¹"),
            ("missed", all.Any(static figures => figures.SlotsDue != 0), static figures => figures.SlotsDue == 0 ? "" : Text($"{100.0 * figures.SlotsMissed / figures.SlotsDue:F1} %")),
            ("in full", all.Any(static figures => figures.Streams != 0), static figures => Text($"{figures.StreamsInFull} of {figures.Streams}")),
            ("cycles\n/B", true, static figures => figures.CyclesPerByte >= 100 ? Text($"{figures.CyclesPerByte:N0}") : Text($"{figures.CyclesPerByte:F2}")),
        ];
        columns = [.. columns.Where(static column => column.IsShown)];
        Table table = new Table { Border = TableBorder.Rounded, Title = new(Text($"{report.Vms} VMs on one controller for {report.WindowNs / 1_000_000} ms: {Describe(report.Workload)}")) }
            .AddColumns(["", .. columns.Select(static column => column.Title)]);
        foreach (SharingRow row in report.Rows)
            table.AddRow([row.Letters, .. columns.Select(column => row.Figures is { } figures ? column.Show(figures) : "—")]);
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
        latency is null ? "" : Text($"{latency.Mean:F1} ({latency.Longest})");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
