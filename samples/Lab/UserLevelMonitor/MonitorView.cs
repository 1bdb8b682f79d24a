using Dma.Vmm;
using Spectre.Console;
using static System.FormattableString;

namespace Dma.Lab;

/// <summary>The report on a user-level monitor for a person.</summary>
internal static class MonitorView
{
    /// <summary>Writes the report: the work by each access, a block in each way, the window, and the attack.</summary>
    public static void Write(IAnsiConsole console, MonitorReport report)
    {
        string size = Invariant($"{report.ReadBytes / 1024.0:0.#} KiB");
        console.WriteLine(Invariant($"\nA guest reads {size} at a time by an {UsbControllers.TitleOf(report.Controller)} controller that a user-level monitor emulates:\n"));
        console.Write(Work(report));
        console.WriteLine("* The bus, the window and the page that is taken away, below, are of a run with this.");
        console.WriteLine($"\nPieces of {size} from a disk of the host into the guest:\n");
        console.Write(Transfers(report));
        console.WriteLine("");
        BusStripView.Write(console, report.Strip);
        string window = report.WindowPages is { } pages ? Invariant($"A window of {pages} pages") : "A window as large as the VM";
        string shootDown = report.ShootDown switch
        {
            ShootDown.Flushed => "shot down when a page loses its frame",
            ShootDown.Unflushed => "entries removed and not flushed when a page loses its frame",
            _ => "not told when a page loses its frame",
        };
        console.WriteLine($"\n{(report.Access == MonitorAccess.Window ? window : "Memory by system calls, and no window")}, {shootDown}.");
        foreach (WindowMap map in report.Maps)
        {
            console.WriteLine($"The window {map.When} (. absent, # present, ! stale):");
            if (map.Rows.Count == 0)
                console.WriteLine("  no page");
            foreach (string row in map.Rows)
                console.MarkupLine($"  {row.Replace("!", "[red]![/]", StringComparison.Ordinal)}");
        }

        WindowLine line = report.Window;
        console.WriteLine(Invariant(
            $"Present {line.Present}, faults {line.Faults}, refused {line.RefusedFaults}, evicted {line.Evictions}, shot down {line.ShootDowns}, generation {line.Generation}."));
        StaleAttack attack = report.Attack;
        console.WriteLine($"\nPage {attack.Page} of VM 1, frame {attack.Frame}: {attack.Ballooned}.");
        console.WriteLine($"The monitor of VM 1 reads there: {attack.Found}.");
        console.MarkupLine(report.IsClean
            ? "[green]Nothing of VM 2 was read or written, and all bytes are right.[/]"
            : $"[red]VIOLATED:[/] {(attack.HasRead ? "VM 2 was read" : "VM 2 was not read")}, {(attack.HasWritten ? "and written" : "and not written")}.");
    }

    private static Table Work(MonitorReport report)
    {
        Table table = Frame("memory by", "faults, first read", "then", "upcalls", "accesses", "system calls an access", "interrupts", "copies a byte", "cycles a read", "bytes");
        foreach (MonitorWork work in report.Work)
        {
            table.AddRow(
                NameOf(work) + (work.Access == report.Access && work.IsZeroCopy == report.IsZeroCopy ? " *" : ""),
                Invariant($"{work.WarmUpFaults}"),
                Invariant($"{work.Faults}"),
                Invariant($"{work.UpcallsPerRead:F1}"),
                Invariant($"{work.AccessesPerRead:F1}"),
                Invariant($"{work.SystemCallsPerAccess:F2}"),
                Invariant($"{work.InterruptsPerRead:F1}"),
                Invariant($"{work.CopiesPerByte:F2}"),
                Invariant($"{work.CyclesPerRead:N0}"),
                Verdict(work.IsRight));
        }

        return table;
    }

    private static Table Transfers(MonitorReport report)
    {
        Table table = Frame("way", "faults", "system calls", "copies a byte", "invalidations", "cycles", "bytes");
        foreach (MonitorTransfer transfer in report.Transfers)
        {
            table.AddRow(
                transfer.Way,
                Invariant($"{transfer.Faults}"),
                Invariant($"{transfer.SystemCallsPerBlock:F1}"),
                Invariant($"{transfer.CopiesPerByte:F2}"),
                Invariant($"{transfer.Invalidations:F1}"),
                Invariant($"{transfer.CyclesPerBlock:N0}"),
                Verdict(transfer.IsRight));
        }

        return table;
    }

    private static string NameOf(MonitorWork work) =>
        work.IsZeroCopy ? "window, data in place" : work.Access == MonitorAccess.Window ? "window" : "system call";

    private static string Verdict(bool isRight) => isRight ? "[green]right[/]" : "[red]WRONG[/]";

    private static Table Frame(params string[] columns) => new Table { Border = TableBorder.Rounded }.AddColumns(columns);
}
