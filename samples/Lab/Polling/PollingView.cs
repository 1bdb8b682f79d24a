using Spectre.Console;
using static System.FormattableString;

namespace Dma.Lab;

/// <summary>The report on polled registers for a person.</summary>
internal static class PollingView
{
    /// <summary>Writes the report: the registers by class, what came of each way, and the rate from which on polling pays.</summary>
    public static void Write(IAnsiConsole console, PollingReport report)
    {
        Table registers = new Table { Border = TableBorder.Rounded }.AddColumns("class", "registers", "such as");
        foreach (RegisterRow row in report.Registers)
            registers.AddRow(Coloured(row.Class), Invariant($"{row.Count}"), Markup.Escape(row.Examples));
        console.WriteLine(Invariant($"\nRegisters of {UsbControllers.TitleOf(report.Controller)}, by what a write to them means; a poller looks every {report.PeriodNs} ns.\n"));
        console.Write(registers);

        Table ways = new Table { Border = TableBorder.Rounded }.AddColumns("registers", "pages polled", "exits a read", "read", "store to device", "burned", "outcome");
        foreach (PollingWay way in report.Ways)
        {
            ways.AddRow(
                NameOf(way.Name),
                Invariant($"{way.PolledPages}"),
                way.ReadNs == 0 ? "" : Invariant($"{way.ExitsPerRead:F1}"),
                way.ReadNs == 0 ? "" : Invariant($"{way.ReadNs / 1000} us"),
                way.WriteNsMax == 0 ? "" : Invariant($"{way.WriteNsMean} ns, at most {way.WriteNsMax}"),
                Invariant($"{100 * way.Burned:F0} %"),
                $"[{(way.ReadsDisk ? "green" : "red")}]{Markup.Escape(way.Outcome)}[/]");
        }

        console.Write(ways);
        foreach (PollingWay way in report.Ways.Where(way => way.NotSeen.Count != 0))
            console.WriteLine($"{NameOf(way.Name)}: stores that the poller never saw: {string.Join(", ", way.NotSeen.Select(lost => $"{lost.Key} {lost.Value}"))}");

        Write(console, report.Clock, report.ClockEndNs);
        console.WriteLine($"\nTwo values stored into {report.DoubleWrites[0].Register} right after each other: {string.Join("; ", report.DoubleWrites.Select(Describe))}.");
        console.WriteLine("No bus is shared: one VM has the controller, a model whose registers are polled or trap.");

        // One that never naps is compared with this one, where that is not the same.
        Table costs = new Table { Border = TableBorder.Rounded }.AddColumns(["exits a second", "trapping", "this poller", .. Beside(report, "one that never naps")]);
        foreach (BreakEvenRow row in report.BreakEven)
            costs.AddRow([Invariant($"{row.ExitsPerSecond:N0}"), Percent(row.Trap), Percent(row.Poll), .. Beside(report, Percent(row.PollAwake))]);
        console.WriteLine("\nParts of a processor that each way costs:");
        console.Write(costs);
        Table devices = new Table { Border = TableBorder.Rounded }.AddColumns(["devices of one poller", .. report.ByDevices.Select(row => Invariant($"{row.Devices}"))]);
        devices.AddRow(["this poller pays from", .. report.ByDevices.Select(row => Invariant($"{row.Exits:N0}"))]);
        if (report.Naps)
            devices.AddRow(["one that never naps", .. report.ByDevices.Select(row => Invariant($"{row.ExitsAwake:N0}"))]);
        console.WriteLine("\nExits a second of each device from which on a poller costs less:");
        console.Write(devices);
        console.WriteLine(Invariant(
            $"Break-even: {report.BreakEvenExits:N0} exits a second for this poller, {(report.Naps ? Invariant($"{report.BreakEvenExitsAwake:N0} for one that never naps") : "which never naps")}; trapped, this driver took {report.TrappedExits:N0}."));
        console.MarkupLine(report.IsClean ? "[green]With the ring no store was lost, and no read took an exit.[/]" : "[red]Stores were lost, or reads took exits.[/]");
    }

    private static string[] Beside(PollingReport report, string cell) => report.Naps ? [cell] : [];

    private static void Write(IAnsiConsole console, IReadOnlyList<ClockRow> rows, IReadOnlyList<ulong> endNs)
    {
        if (rows.Count == 0)
            return;
        Table table = new Table { Border = TableBorder.Rounded }.AddColumns("trapped", "stored", "device has it", "write ring", "stored", "device has it");
        foreach (ClockRow row in rows)
            table.AddRow([.. Cells(row.Trapped), .. Cells(row.Polled)]);
        table.AddRow("the read is over", Us(endNs[0]), "", "the read is over", Us(endNs[1]), "");
        console.WriteLine("\nThe stores of one read on one clock, in us:");
        console.Write(table);
    }

    private static string[] Cells(ClockedStore? store) => store is null ? ["", "", ""] : [Markup.Escape(store.Register), Us(store.StoredNs), store.GotNs is { } got ? Us(got) : "never"];

    private static string Us(ulong ns) => Invariant($"{ns / 1e3:F1}");

    private static string Describe(DoubleWrite write) => Invariant($"{NameOf(write.Way)} {write.Seen} seen, {write.Left} left");

    private static string NameOf(string way) => way switch
    {
        nameof(Vmm.PolledAccess.Trapped) => "trapped",
        nameof(Vmm.PolledAccess.EveryPage) => "every page",
        nameof(Vmm.PolledAccess.SafePages) => "safe pages",
        nameof(Vmm.PolledAccess.WriteRing) => "write ring",
        _ => way,
    };

    private static string Coloured(string name) => name switch
    {
        nameof(Vmm.RegisterClass.ClearOnOne) or nameof(Vmm.RegisterClass.ZeroDoorbell) => $"[red]{name}[/]",
        nameof(Vmm.RegisterClass.Command) or nameof(Vmm.RegisterClass.Doorbell) or nameof(Vmm.RegisterClass.FreeRunning) => $"[yellow]{name}[/]",
        _ => $"[green]{name}[/]",
    };

    private static string Percent(double part) => Invariant($"{100 * part:F2} %");
}
