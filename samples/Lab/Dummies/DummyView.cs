using System.Globalization;
using Spectre.Console;

namespace Dma.Lab;

/// <summary>The report on dummy devices for a person.</summary>
internal static class DummyView
{
    private const int BarColumns = 50;
    private const uint BarNs = 100_000;

    /// <summary>Writes who believes what to be free, how a request is granted and refused, what each stream got, and the verdict.</summary>
    public static void Write(IAnsiConsole console, DummyReport report)
    {
        string without = report.Without.Length == 0 ? "" : $" Left out: {report.Without}.";
        string liar = report.Liar.Length == 0 ? "" : $" {report.Liar} sends what it never asked for.";
        console.WriteLine($"\n{report.Vms.Count} VMs stream over one bus; {report.Dummies} dummy devices.{without}{liar}\n");
        console.WriteLine("What each believes of the 100 us of a microframe (█ its own, ▒ of others, ░ looks at lists, . free):");
        foreach (DummyVm vm in report.Vms)
            console.WriteLine($"  {vm.Name,-8} |{Bar((vm.OwnNs, '█'), (vm.MirroredNs, '▒'))}| {Us(vm.BelievesFreeNs)} free");
        console.WriteLine($"  {"in truth",-8} |{Bar((report.PromisedNs, '█'), (report.LooksNs, '░'))}| {Us(report.FreeNs)} free{(report.PromisedNs > BarNs ? $", {Us(report.PromisedNs)} promised" : "")}");
        Write(console, "A request that is granted, in two phases:", report.Granted);
        Write(console, "A request that is refused:", report.Refused);
        console.WriteLine("");
        BusStripView.Write(console, report.Strip);
        Table table = new Table { Border = TableBorder.Rounded }.AddColumns("VM", "asked for", "has", "slots", "missed");
        foreach (DummyVm vm in report.Vms)
        {
            table.AddRow(
                vm.Name + (vm.Name == report.Liar ? " (lies)" : ""),
                vm.AskedBytes != 0 ? $"{vm.AskedBytes} bytes" : vm.Name == report.Liar ? "nothing" : "",
                vm.Bytes == 0 ? "" : $"{vm.Bytes} bytes",
                vm.SlotsDue.ToString(CultureInfo.InvariantCulture),
                vm.SlotsMissed.ToString(CultureInfo.InvariantCulture));
        }

        console.WriteLine("");
        console.Write(table);
        console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{report.Requests} requests granted, {report.Refusals} refused, {report.FalseRefusals} of them although the bus had time, since another VM's book had none; {report.MessagesPerChange:0.##} message{(report.MessagesPerChange == 1 ? "" : "s")} a change; held for {report.SetupNsMean / 1e6:F2} ms, {report.SetupNsMax / 1e6:F2} at most."));
        if (report.Other is { } other)
        {
            DummyContrast own = new(!other.HasDummies, report.OverAllocation, report.MissRate);
            console.WriteLine($"{Side(own.HasDummies ? own : other)}; {Side(own.HasDummies ? other : own)}.");
        }

        string numbers = string.Create(
            CultureInfo.InvariantCulture,
            $"Promised {100 * report.OverAllocation:F1} %, used at most {100 * report.PeriodicLoadMax:F1} %, slots missed {100 * report.MissRate:F1} %.");
        console.MarkupLine(report.IsClean ? $"[green]No stream missed a slot.[/] {numbers}" : $"[red]{Verdict(report)}[/] {numbers}");
    }

    private static string Side(DummyContrast side) => string.Create(
        CultureInfo.InvariantCulture, $"{(side.HasDummies ? "With" : "without")} dummies {100 * side.OverAllocation:F1} % promised, {100 * side.MissRate:F1} % of slots missed");

    private static string Verdict(DummyReport report) =>
        report.OverAllocation > 1 ? "OVER-ALLOCATED:" : report.MissRate != 0 ? "SLOTS MISSED:" : "NOT RESTORED:";

    private static void Write(IAnsiConsole console, string title, IReadOnlyList<DummyMessage> messages)
    {
        if (messages.Count == 0)
            return;
        console.WriteLine($"\n{title}");
        foreach (DummyMessage message in messages)
            console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {message.AtNs / 1e6,7:F3} ms  {message.From,4} -> {message.To,-4}  {message.Text}"));
    }

    private static string Us(uint ns) => string.Create(CultureInfo.InvariantCulture, $"{ns / 1e3,5:F1} us");

    private static string Bar(params ReadOnlySpan<(uint Ns, char Mark)> parts)
    {
        string bar = "";
        foreach ((uint ns, char mark) in parts)
            bar += new string(mark, (int)Math.Min((ns * BarColumns + (BarNs / 2)) / BarNs, BarColumns));
        return bar.Length > BarColumns ? bar[..BarColumns] : bar.PadRight(BarColumns, '.');
    }
}
