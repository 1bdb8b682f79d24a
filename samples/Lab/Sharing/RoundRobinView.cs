using System.Globalization;
using Dma.Drivers;
using Spectre.Console;

namespace Dma.Lab;

/// <summary>The report on a controller that goes from VM to VM, for a person.</summary>
internal static class RoundRobinView
{
    /// <summary>Writes who had the controller when, what a switch saves, what each VM had, and the verdict.</summary>
    public static void Write(IAnsiConsole console, RoundRobinReport report)
    {
        string turns = report.WorkConserving ? "turns end early where there is no work" : "fixed turns";
        console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"\n{report.Vms.Count} VMs have one {UsbControllers.TitleOf(report.Controller)} controller in turns of {report.QuantumNs / 1e6:0.###} ms for {report.WindowNs / 1e6:0} ms; {turns}.\n"));
        if (report.Without.Length != 0)
            console.WriteLine($"From when all VMs are at work, each switch leaves out: {report.Without}.\n");
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"The end of it, a column for {report.ColumnNs / 1e6:0.###} ms (█ run, q quiesce, s save, x switch, l load; × a slot of {report.Vms[0].Name} was missed):"));
        foreach ((string line, TurnSummary vm) in report.Gantt.Zip(report.Vms))
            console.WriteLine($"  {vm.Name} |{line}|");
        console.WriteLine($"  slots|{report.Missed}|");
        console.WriteLine();
        BusStripView.Write(console, report.Strip);
        WriteStates(console, report);
        Table table = new Table { Border = TableBorder.Rounded }.AddColumns("VM", "controller", "turns", "exits/turn", "longest wait", "read", "slots missed");
        foreach (TurnSummary vm in report.Vms)
        {
            table.AddRow(
                $"{vm.Name} {vm.Work}",
                string.Create(CultureInfo.InvariantCulture, $"{vm.RunNs / 1e6:F1} ms ({100.0 * vm.RunNs / report.WindowNs:F1} %)"),
                vm.Turns.ToString("N0", CultureInfo.InvariantCulture),
                vm.ExitsPerTurn.ToString("F1", CultureInfo.InvariantCulture),
                string.Create(CultureInfo.InvariantCulture, $"{vm.WaitNsMax / 1e6:F2} ms"),
                string.Create(CultureInfo.InvariantCulture, $"{vm.BytesMoved / 1024.0:F0} KiB"),
                vm.SlotsDue == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{vm.SlotsMissed} of {vm.SlotsDue}"));
        }

        console.Write(table);
        console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{report.Switches} switches of {report.SwitchNsMean / 1e6:F2} ms ({report.SwitchNsMax / 1e6:F2} at most), {report.BytesSaved} bytes each; utilisation {100 * report.Utilisation:F1} %."));
        console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"A VM with work waits {report.WaitBoundNs / 1e6:F2} ms at most: (n-1)(q+s)+s. Jain's index {report.Jain:F3}, faults {report.Faults}."));
        if (report is { Controller: UsbControllers.Ehci, WaitBoundNs: > EhciDriver.AnswerNsMax })
            console.MarkupLine($"[yellow]That is longer than the {EhciDriver.AnswerNsMax / 1_000_000} ms that a driver waits for its doorbell[/]: one that takes a queue out of the list may give up.");
        console.MarkupLine(report.IsClean
            ? "[green]Each VM found what is its own.[/]"
            : $"[red]GONE WRONG:[/] {Markup.Escape(string.Join("; ", Wrong(report)))}");
    }

    private static IEnumerable<string> Wrong(RoundRobinReport report)
    {
        foreach (TurnSummary vm in report.Vms)
        {
            if (vm.Problem.Length != 0)
                yield return $"{vm.Name}: {vm.Problem}";
            else if (report.IsStuck(vm))
                yield return string.Create(CultureInfo.InvariantCulture, $"{vm.Name} waits for its disk for {vm.StillNs / 1e6:F0} ms and more");
            else if (vm.MicroframesStood != 0)
                yield return $"the frame index of {vm.Name} stood still for {Counted.Of(vm.MicroframesStood, "microframe")}";
            if (vm.StrayInterrupts != 0)
                yield return $"{vm.Name} was interrupted {Counted.Of(vm.StrayInterrupts, "time")} while others had the controller";
        }

        foreach (StrayReach reach in report.Reached)
            yield return $"{Counted.Of(reach.Times, "request")} in turns of {reach.Turn} reached memory of {reach.Memory}";
        if (report.Faults != 0)
            yield return Counted.Of(report.Faults, "fault");
    }

    private static void WriteStates(IAnsiConsole console, RoundRobinReport report)
    {
        console.WriteLine("\nWhat a switch saves and restores:");
        Table table = new Table { Border = TableBorder.Rounded }.AddColumns(["register", .. report.Vms.Select(vm => vm.Name), ""]);
        foreach (StateRow row in report.States)
        {
            bool differs = row.Values.Distinct().Count() > 1;
            table.AddRow([row.Register, .. row.Values.Select(value => $"{value:X8}"), differs ? "differs" : ""]);
        }

        console.Write(table);
    }
}
