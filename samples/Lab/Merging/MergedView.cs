using Spectre.Console;
using static System.FormattableString;

namespace Dma.Lab;

/// <summary>The report on merged schedules for a person.</summary>
internal static class MergedView
{
    /// <summary>Writes the report: lists before and after, registers, the bus by VM, and what it cost.</summary>
    public static void Write(IAnsiConsole console, MergedReport report)
    {
        bool isEngine = report.Merge == "hardware";
        string how = isEngine
            ? "merged by an engine while the controller fetches."
            : $"found by {report.Discovery}, merged {When(report.AheadMicroframes)}.";
        console.WriteLine(Invariant($"\n{report.Vms.Count} VMs, one controller, for {report.WindowNs / 1e6:0} ms; {how}"));
        if (report.Without.Length != 0)
            console.WriteLine($"Left out: {report.Without}.");
        Table frames = new Table { Border = TableBorder.Rounded }.AddColumns(["frame", .. report.Vms.Select(vm => vm.Name), isEngine ? "fetched" : "merged"]);
        foreach (MergedFrameRow row in report.Frames)
            frames.AddRow([Invariant($"{row.Frame}"), .. row.Guests, row.Merged]);
        string which = isEngine ? "as fetched in the last frames" : "the current one is the sixth";
        console.WriteLine($"\nFrame lists, {which} (i iTD, s siTD, q queue head; the number is the VM):");
        console.Write(frames);
        console.WriteLine($"Asynchronous list: H {report.Ring} H");

        Table registers = new Table { Border = TableBorder.Rounded }.AddColumns(["register", .. report.Vms.Select(vm => vm.Name), "real"]);
        foreach (MergedRegisterRow row in report.Registers)
            registers.AddRow([row.Register, .. row.Virtual.Select(value => Invariant($"{value:X8}")), Invariant($"{row.Real:X8}")]);
        console.Write(registers);
        BusStripView.Write(console, report.Strip);
        console.WriteLine("The last exits:");
        foreach (MergedTrapRow trap in report.Traps)
            console.WriteLine(Invariant($"  {trap.AtNs / 1e6,9:F3} ms  {trap.Vm}  {trap.What}"));
        WriteCosts(console, report);
        console.MarkupLine(report switch
        {
            { IsClean: false } => $"[red]GONE WRONG:[/] {Markup.Escape(string.Join("; ", Wrong(report)))}",
            { Without.Length: not 0 } => $"[yellow]Nothing went wrong this time[/], though {report.Without} was left out: these drivers do not come to where it matters.",
            _ => "[green]Each VM found what is its own, in time.[/]",
        });
    }

    private static void WriteCosts(IAnsiConsole console, MergedReport report)
    {
        Table costs = new Table { Border = TableBorder.Rounded }.AddColumns(
            "VM", "moved", "took", "exits each", "registers r/w", "faults each", "looks", "nodes/look", "copied", "slots missed");
        foreach (MergedSummary vm in report.Vms)
        {
            MergedCounts counts = vm.Counts;
            costs.AddRow(
                $"{vm.Name} {vm.Work}",
                Invariant($"{counts.Bytes / 1024.0:F0} KiB"),
                Invariant($"{vm.TransferNsMean / 1e6:F2} ms"),
                Each(counts.Exits, counts.Transfers),
                Invariant($"{counts.RegisterReads}/{counts.RegisterWrites}"),
                Each(counts.ProtectedStores, counts.Transfers),
                Invariant($"{counts.Scans}"),
                Each(counts.NodesVisited, counts.Scans),
                Invariant($"{counts.TransfersCopied + counts.FramesCopied}"),
                counts.SlotsDue == 0 ? "" : Invariant($"{counts.SlotsMissed} of {counts.SlotsDue}"));
        }

        console.Write(costs);
        ulong payload = report.Vms.Aggregate(0ul, static (sum, vm) => sum + vm.Counts.Bytes);
        ulong structures = report.Vms.Aggregate(0ul, static (sum, vm) => sum + vm.Counts.StructureBytes);
        console.WriteLine(Invariant(
            $"Copied by a processor: {report.PayloadBytesCopied} of {payload} bytes of data, and {structures} bytes of structures; the VMM was busy for {100.0 * report.VmmNs / report.WindowNs:F1} % of the time."));
        console.WriteLine(Invariant(
            $"Interrupts: {report.RealInterrupts} of the controller, {report.Vms.Aggregate(0ul, static (sum, vm) => sum + vm.Counts.Interrupts)} of virtual ones. Doorbells answered: {report.Doorbells}. Faults of the remapping unit: {report.Faults}."));
    }

    private static IEnumerable<string> Wrong(MergedReport report)
    {
        foreach (MergedSummary vm in report.Vms)
        {
            if (vm.Problem.Length != 0)
                yield return $"{vm.Name}: {vm.Problem}";
            if (vm.Counts.SlotsMissed != 0)
                yield return $"{vm.Name} missed {Counted.Of(vm.Counts.SlotsMissed, "slot")} of {vm.Counts.SlotsDue}";
        }

        if (report.Heads > 1)
            yield return Invariant($"{report.Heads} heads in one list: the controller believes itself at its end too early");
        if (report.EarlyAnswers != 0)
            yield return Invariant($"{report.EarlyAnswers} of {report.Doorbells} doorbells answered while the controller still had what was unlinked");
        if (report.Faults != 0)
            yield return Counted.Of(report.Faults, "fault");
    }

    private static string When(int aheadMicroframes) => aheadMicroframes switch
    {
        0 => "as each frame begins",
        < 0 => $"{Counted.Of((ulong)-aheadMicroframes, "microframe")} after each frame began",
        _ => $"{Counted.Of((ulong)aheadMicroframes, "microframe")} before each frame",
    };

    private static string Each(ulong count, ulong of) => of == 0 ? "" : Invariant($"{(double)count / of:F1}");
}
