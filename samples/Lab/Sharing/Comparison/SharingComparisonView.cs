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
        console.WriteLine("µf: microframes, mean and (longest); gap: the longest wait of a disk for the bus; periodic: of the 100 µs of a microframe.");
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
        foreach (SharingRow row in report.Rows)
        {
            if (row.Figures is not { } figures)
            {
                table.AddRow([row.Letters, .. Enumerable.Repeat("—", 10)]);
                continue;
            }

            table.AddRow(
                row.Letters,
                Text($"{figures.Transfers:N0}"),
                Text($"{figures.ExitsPerTransfer:F2}"),
                Text($"{figures.CopiesPerByte:F2}"),
                figures.TransferMean == 0 ? "" : Text($"{figures.TransferMean:F1} ({figures.TransferMax:F0})"),
                figures.KeyMean == 0 ? "" : Text($"{figures.KeyMean:F1} ({figures.KeyMax:F0})"),
                figures.Jain is { } jain ? Text($"{jain:F3}") : "",
                figures.TransferMean == 0 ? "" : Text($"{figures.GapNs / 1e6:F2}"),
                figures.PeriodicLoadMax is { } load ? Text($"{100 * load:F1} %") : figures.PeriodicRefusal,
                figures.SlotsDue == 0 ? "" : Text($"{figures.SlotsMissed:N0} of {figures.SlotsDue:N0}"),
                figures.CyclesPerByte >= 100 ? Text($"{figures.CyclesPerByte:N0}") : Text($"{figures.CyclesPerByte:F2}"));
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
        _ => "each records sound",
    };

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
