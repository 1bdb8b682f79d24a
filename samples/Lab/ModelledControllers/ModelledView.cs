using Dma.Vmm;
using Spectre.Console;
using static System.FormattableString;

namespace Dma.Lab;

/// <summary>The report on controllers that a service VM models, for a person.</summary>
internal static class ModelledView
{
    /// <summary>Writes what one access costs, what each VM had, who was refused, and the verdict.</summary>
    public static void Write(IAnsiConsole console, ModelledReport report)
    {
        string size = report.WindowPages is { } pages ? Invariant($"windows of {pages} pages") : "windows as large as the VMs";
        console.WriteLine(Invariant(
            $"\n{report.Vms.Count} VMs read 16 KiB at a time by {UsbControllers.TitleOf(report.Controller)} controllers that processes in a service VM model, for {report.WindowNs / 1e6:0} ms; {size}{(report.IsZeroCopy ? ", data goes straight to pages" : "")}.\n"));
        BusStripView.Write(console, report.Strip);
        console.WriteLine("\nOne access to a register:");
        console.Write(Access(report.Access));
        console.Write(Vms(report.Vms));
        ModelledCycles cycles = report.CyclesPerRead;
        console.WriteLine(Invariant($"For each read: {report.SwitchesPerRead:F1} VM switches, {report.CopiesPerByte:F2} copies of a byte; {cycles.Guests:N0} cycles of the guest, {cycles.Service:N0} of the service VM, {cycles.Vmm:N0} of the VMM."));
        console.WriteLine(Invariant($"Jain's index {report.Jain:F3}, faults {report.Faults}.\n"));
        console.WriteLine("What the service VM asks for and may not have:");
        foreach (StrangeCall call in report.Strangers)
            console.WriteLine($"  {call.Asked}: {call.Answer}{(call.IsRefused ? "" : " GRANTED")}");
        WriteAttack(console, report);
        if (report.Crash is { } crash)
        {
            console.WriteLine(Invariant(
                $"The service VM crashed while {crash.Outstanding} VMs read: all drivers knew after {crash.ToldNs / 1e6:F0} ms, {crash.PinsLeft} pages stayed pinned, the controller {(crash.IsControllerBack ? "was reset" : "WAS LOST")}."));
            console.WriteLine(Invariant($"{crash.ReadAgain} of {crash.Vms} VMs read their disks {crash.RestartNs / 1e6:F0} ms later, by controllers of the next one."));
        }

        console.MarkupLine(report.IsClean
            ? "[green]Each VM found what is its own, and nobody what is another's.[/]"
            : $"[red]GONE WRONG:[/] {Markup.Escape(string.Join("; ", Problems(report)))}");
    }

    private static void WriteAttack(IAnsiConsole console, ModelledReport report)
    {
        string shootDown = report.ShootDown switch
        {
            ShootDown.Flushed => "The VMM unmaps and flushes a page that loses its frame",
            ShootDown.Unflushed => "The VMM unmaps a page that loses its frame, and nobody flushes",
            _ => "The VMM leaves a page mapped that loses its frame",
        };
        StaleAttack attack = report.Attack;
        console.WriteLine($"{shootDown}. Page {attack.Page} of VM 1, frame {attack.Frame}: {attack.Ballooned}.");
        console.WriteLine($"The process of VM 1 reads there: {attack.Found}.");
    }

    private static Table Access(IReadOnlyList<SequenceStep> steps)
    {
        Table table = Frame("us", "who", "what", "takes");
        double at = 0;
        foreach (SequenceStep step in steps)
        {
            table.AddRow(Invariant($"{at:F1}"), Markup.Escape(step.Who), Markup.Escape(step.What), step.CostNs == 0 ? "" : Invariant($"{step.CostNs / 1e3:0.##}"));
            at += step.CostNs / 1e3;
        }

        return table;
    }

    private static Table Vms(IReadOnlyList<ModelledSummary> vms)
    {
        Table table = Frame("VM", "reads", "read", "each read", "exits", "upcalls", "interrupts", "faults before", "then", "pages shown");
        foreach (ModelledSummary vm in vms)
        {
            table.AddRow(
                vm.Name,
                Invariant($"{vm.Reads:N0}"),
                Invariant($"{vm.Bytes / 1024:N0} KiB"),
                Invariant($"{vm.LatencyNs / 1e6:F2} ms"),
                Invariant($"{vm.ExitsPerRead:F1}"),
                Invariant($"{vm.UpcallsPerRead:F1}"),
                Invariant($"{vm.InterruptsPerRead:F1}"),
                Invariant($"{vm.FaultsBefore}"),
                Invariant($"{vm.Faults}"),
                Invariant($"{vm.PagesShown}"));
        }

        return table;
    }

    private static IEnumerable<string> Problems(ModelledReport report)
    {
        foreach (ModelledSummary vm in report.Vms.Where(vm => vm.Problem.Length != 0))
            yield return $"{vm.Name} {vm.Problem}";
        if (report.Faults != 0)
            yield return Invariant($"{report.Faults} faults");
        if (report.Jain < ServiceReport.JainMin)
            yield return Invariant($"Jain's index {report.Jain:F3}");
        foreach (StrangeCall call in report.Strangers.Where(call => !call.IsRefused))
            yield return $"{call.Asked}: granted";
        if (report.Attack.HasRead)
            yield return "VM 2 was read";
        if (report.Attack.HasWritten)
            yield return "VM 2 was written";
        if (report.Crash is { IsClean: false })
            yield return "the crash left something behind";
    }

    private static Table Frame(params string[] columns) => new Table { Border = TableBorder.Rounded }.AddColumns(columns);
}
