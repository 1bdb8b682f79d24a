using System.Globalization;
using Spectre.Console;

namespace Dma.Lab;

/// <summary>The report for a person: the way of a DMA, what it took, what was tried, and the verdict in one line.</summary>
internal static class DirectDmaView
{
    /// <summary>Writes the report.</summary>
    public static void Write(IAnsiConsole console, DirectDmaReport report)
    {
        console.WriteLine($"""

                  VM 1: driver ──── map, unmap ────▶ VMM ──── entries ────▶ page tables
                    │                                                           │ walk
                    ▼ registers                                                 ▼
                EHCI {report.Isolation.Device} ── DMA to the addresses it was given ──▶ VT-d unit ──▶ memory of VM 1
                                                                            ╰────▶ fault, and nothing else

            """);
        console.Write(Numbers(report));
        console.Write(Attempts(report.Isolation));
        console.Write(Faults(report.Dma));
        console.MarkupLine(Verdict(report));
    }

    private static Table Numbers(DirectDmaReport report)
    {
        Table table = Frame("What the guest read, and what it took").HideHeaders().AddColumns("", "");
        Row(table, "disk", $"{report.Disk.Bytes:N0} bytes, SHA-256 {report.Disk.Sha256}");
        Row(table, "", report.Disk.MatchesImage ? "the same as the image's" : "NOT the image's");
        Row(table, "bytes by DMA", $"{report.Dma.Bytes:N0}");
        Row(table, "translations", $"{report.Dma.Translations:N0}: {report.Dma.IotlbHits:N0} from the IOTLB, {report.Dma.Walks:N0} by walking the tables");
        Row(table, "invalidations", $"{report.Dma.Invalidations:N0}");
        Row(table, "VMM", $"{report.Vmm.Hypercalls:N0} hypercalls, {report.Vmm.Exits:N0} exits");
        Row(table, "virtual time", $"{report.VirtualTimeNs / 1e9:F6} s");
        Row(table, "hardware, seed", $"{report.Profile}, {report.Seed}");
        return table;
    }

    private static Table Attempts(IsolationSummary isolation)
    {
        Table table = Frame("What was tried").AddColumns("by", "what", "address", "what came of it", "changed", "verdict");
        foreach (AttemptSummary attempt in isolation.Tried)
        {
            table.AddRow(
                Markup.Escape(attempt.By),
                Markup.Escape(attempt.What),
                attempt.Address,
                Markup.Escape(attempt.Outcome),
                attempt.BytesChanged.ToString("N0", CultureInfo.InvariantCulture),
                attempt.Blocked ? "[green]blocked[/]" : "[red]NOT BLOCKED[/]");
        }

        return table;
    }

    private static Table Faults(DmaSummary dma)
    {
        Table table = Frame("Faults that the unit recorded").AddColumns("source", "reason", "name", "address", "access");
        foreach (FaultSummary fault in dma.Faults)
        {
            table.AddRow(
                fault.Source,
                $"{fault.Reason:X}h",
                Markup.Escape(fault.ReasonName),
                fault.Address,
                fault.Write ? "write" : "read");
        }

        return table;
    }

    private static string Verdict(DirectDmaReport report)
    {
        IsolationSummary isolation = report.Isolation;
        string counts = string.Create(
            CultureInfo.InvariantCulture,
            $"{isolation.Blocked} of {isolation.Attempts} attempts blocked, {isolation.BytesChangedElsewhere:N0} bytes changed elsewhere.");
        return report.IsClean ? $"[green]Isolated:[/] {counts}" : $"[red]VIOLATED:[/] {counts}";
    }

    private static Table Frame(string title) => new Table { Border = TableBorder.Rounded, Title = new(title) };

    private static void Row(Table table, string name, FormattableString value) =>
        table.AddRow(new Text(name), new Text(value.ToString(CultureInfo.InvariantCulture)));

    private static void Row(Table table, string name, string value) => table.AddRow(new Text(name), new Text(value));
}
