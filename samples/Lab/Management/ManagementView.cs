using Spectre.Console;
using static System.FormattableString;

namespace Dma.Lab;

/// <summary>The report for a person: mailboxes, arrows, the folder and its quota, the scheduler, what was tried, and the figures.</summary>
internal static class ManagementView
{
    private const int BarWidth = 30;

    /// <summary>Writes the report.</summary>
    public static void Write(IAnsiConsole console, ManagementReport report)
    {
        console.Write(Mailboxes(report));
        console.Write(Arrows(report));
        console.Write(Folder(report.Folder));
        console.Write(Shares(report));
        console.Write(Tried(report));
        console.Write(Figures(report));
        console.WriteLine("No bus is shared: the device has no physical counterpart, and its core copies from one memory to another.");
        int refused = report.Tried.Count(line => line.IsRefused);
        console.MarkupLine(report.IsClean
            ? $"[green]Kept apart:[/] {refused} of {report.Tried.Count} attempts blocked."
            : $"[red]VIOLATED:[/] {refused} of {report.Tried.Count} attempts blocked.");
    }

    private static Table Mailboxes(ManagementReport report)
    {
        Table table = Frame("Mailboxes").AddColumns("number", "who", "published", "waiting", "requests");
        foreach (ParticipantLine line in report.Participants)
            Row(table, $"{line.Number}", line.Name, string.Join(", ", line.Published), $"{line.Waiting}", Invariant($"{line.Requests:N0}"));
        return table;
    }

    private static Table Arrows(ManagementReport report)
    {
        Table table = Frame("Messages").AddColumns("us", "from  to", "what", "the sender was told");
        foreach (MessageArrow arrow in report.Arrows)
            Row(table, Invariant($"{arrow.TimeNs / 1000.0:F1}"), $"{Name(arrow.From)} --> {Name(arrow.To)}", arrow.What, arrow.Result);
        return table;
    }

    private static Table Folder(FolderSummary folder)
    {
        Table table = Frame("The folder of VM 1").HideHeaders().AddColumns("", "");
        Row(table, "folder", folder.Root);
        Row(table, "entries", string.Join(", ", folder.Entries));
        Row(table, "quota", Invariant($"{Bar(folder.QuotaBytes == 0 ? 0 : (folder.QuotaBytes - folder.QuotaLeft) / (double)folder.QuotaBytes)} {folder.QuotaBytes - folder.QuotaLeft:N0} of {folder.QuotaBytes:N0} bytes"));
        Row(table, "written", Invariant($"{folder.BytesWritten:N0} bytes, {(folder.IsWhole ? "read back whole" : "NOT read back whole")}"));
        return table;
    }

    private static Table Shares(ManagementReport report)
    {
        Table table = Frame("Statistics lead the scheduler").AddColumns("phase", "VM", "weight", "reported work, us", "age, us", "ran, us", "share");
        string last = "";
        foreach (ShareLine line in report.Shares)
        {
            string age = line.ReportAgeNs == ulong.MaxValue ? "never" : $"{line.ReportAgeNs / 1000}";
            Row(table, line.Phase == last ? "" : line.Phase, line.Machine, $"{line.Weight}", $"{line.WorkNs / 1000}", age, $"{line.RanNs / 1000}", Invariant($"{Bar(line.Share)} {line.Share:P0}"));
            last = line.Phase;
        }

        return table;
    }

    private static Table Tried(ManagementReport report)
    {
        Table table = Frame("What was tried").AddColumns("what", "what came of it", "verdict");
        foreach (RefusalLine line in report.Tried)
            table.AddRow(Markup.Escape(line.What), Markup.Escape(line.Result), line.IsRefused ? "[green]blocked[/]" : "[red]NOT BLOCKED[/]");
        return table;
    }

    private static Table Figures(ManagementReport report)
    {
        ManagementFigures figures = report.Figures;
        Table table = Frame("What it takes").HideHeaders().AddColumns("", "");
        Row(table, "messages", $"{figures.Messages}, {(figures.MessagesWhole ? "each once, in order and whole" : "NOT all whole")}");
        Row(table, "a message", Invariant($"{figures.ExitsPerMessage:F2} exits, {figures.InterruptsPerMessage:F2} interrupts, sender and receiver together"));
        Row(table, "bytes per exit", Invariant($"{figures.BytesPerExit:F0}"));
        Row(table, "copies of a byte", Invariant($"{figures.CopiesPerByte:F2}"));
        Row(table, "latency", Invariant($"{figures.LatencyNs:F0} ns for a message of 4 KiB, {figures.LargeLatencyNs:F0} ns of 64 KiB, {figures.RequestLatencyNs:F0} ns for a small calculation"));
        Row(table, "statistics", Invariant($"at most {figures.StatisticsAgeNs:N0} ns old when asked for"));
        Row(table, "fairness", Invariant($"{figures.Fairness:F4} (Jain), one VM with four times the requests of the others"));
        Row(table, "virtual time", Invariant($"{report.VirtualTimeNs / 1e6:F3} ms, seed {report.Seed}"));
        return table;
    }

    private static string Name(uint number) => number == 0 ? "host" : $"VM {number}";

    private static string Bar(double part)
    {
        int full = (int)Math.Round(Math.Clamp(part, 0, 1) * BarWidth);
        return new string('#', full) + new string('.', BarWidth - full);
    }

    private static Table Frame(string title) => new Table { Border = TableBorder.Rounded, Title = new(title) };

    private static void Row(Table table, params string[] cells) => table.AddRow(cells.Select(cell => new Text(cell)));
}
