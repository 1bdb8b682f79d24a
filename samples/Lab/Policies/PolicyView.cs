using System.Globalization;
using Spectre.Console;

namespace Dma.Lab;

/// <summary>A comparison for a person: what the policies cost, what they leave open, and the verdict.</summary>
internal static class PolicyView
{
    /// <summary>Writes it.</summary>
    public static void Write(IAnsiConsole console, PolicyReport report)
    {
        string work = report.Work switch
        {
            PolicyWorkKind.Read => "reads",
            PolicyWorkKind.Write => "writes",
            _ => "reads and writes in turns",
        };
        console.WriteLine(Text(
            $"\n{report.Transfers} {work} of {report.TransferBytes / 1024.0:0.#} KiB, {Counted.Of((ulong)report.Buffers, "buffer")}, {report.Controller}, {report.Profile}. Unmaps wait, and mappings are kept, {report.WaitingNsMax / 1e3:N0} us or {report.WaitingMax} at most.\n"));
        console.Write(Costs(report));
        console.Write(Windows(report));
        foreach (PolicyLine line in report.Policies.Where(line => line.Refusal is not null))
            console.MarkupLine($"[yellow]Refused:[/] {Markup.Escape($"{line.Policy}: {line.Refusal}. --allow-untranslated lets it run.")}");
        if (report.Policies.All(static line => line.Refusal is not null))
            return;
        console.MarkupLine(report.IsDataEqual ? "[green]Equal:[/] every policy gave the guest and its disk the same data." : "[red]DIFFERENT:[/] the policies did not give the same data.");
        console.MarkupLine(report.BrokenPromises.Count == 0
            ? "[green]Kept:[/] no device got through for longer, or further, than its policy says."
            : $"[red]BROKEN:[/] a device got through for longer, or further, than its policy says: {string.Join(", ", report.BrokenPromises)}.");
    }

    private static Table Costs(PolicyReport report)
    {
        Table table = Frame("What a transfer costs", "policy", "hypercalls", "exits", "invalidations", "IOTLB hits", "pinned", "copies/B", "time us", "guest us", "VMM us");
        foreach (PolicyLine line in report.Policies)
        {
            if (line.Figures is { } figures)
            {
                table.AddRow(
                    line.Policy,
                    Text($"{figures.Hypercalls:F2}"),
                    Text($"{figures.Exits:F2}"),
                    Text($"{figures.Invalidations:F3}"),
                    Text($"{figures.IotlbHits:P1}"),
                    Text($"{figures.PinnedPagesMost:N0}"),
                    Text($"{figures.CopiesPerByte:F2}"),
                    Text($"{figures.TimeNs / 1e3:N1}"),
                    Text($"{figures.GuestNs / 1e3:N1}"),
                    Text($"{figures.VmmNs / 1e3:N1}"));
            }
        }

        table.Caption = new("pinned: the most pages at a time; us: virtual time, and what the processors of guest and VMM are charged");
        return table;
    }

    private static Table Windows(PolicyReport report)
    {
        Table table = Frame("What a device that lies can do", "policy", "gets through after the unmap for", "hits the buffer", "reaches besides");
        foreach (PolicyLine line in report.Policies)
        {
            if (line.Figures is { Attack: { } attack } figures)
            {
                table.AddRow(
                    line.Policy,
                    attack.WindowNs is { } window ? Text($"{window / 1e3:N1} us") : "[red]ever[/]",
                    attack.BufferHits == 0 ? attack.WindowNs == 0 ? "no" : "no, a copy of it" : Text($"{attack.BufferHits} of {attack.Tries}"),
                    figures.Reach switch
                    {
                        PolicyReach.Mapped => "nothing",
                        PolicyReach.Machine => "[yellow]its VM[/]",
                        _ => "[red]all VMs[/]",
                    });
            }
        }

        return table;
    }

    private static Table Frame(string title, params string[] columns)
    {
        Table table = new() { Border = TableBorder.Rounded, Title = new(title) };
        foreach (string column in columns)
            table.AddColumn(column == columns[0] ? new TableColumn(column) : new TableColumn(column).RightAligned());
        return table;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
