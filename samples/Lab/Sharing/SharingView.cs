using System.Globalization;
using System.Text;
using Dma.UsbDevice;
using Spectre.Console;

namespace Dma.Lab;

/// <summary>The reports on a shared controller for a person.</summary>
internal static class SharingView
{
    private const int MicroframeColumns = 100;

    /// <summary>Writes what became of addresses: the mapping, who had address 0, a few tokens, and the verdict.</summary>
    public static void Write(IAnsiConsole console, AddressReport report)
    {
        console.WriteLine($"\n{report.Vms.Count} VMs, one bus; each driver calls its disk device 1. Addresses are {(report.Replaced ? $"replaced ({report.Assignment})" : "NOT replaced")}.\n");
        foreach (AddressMapping mapping in report.Addresses)
            console.WriteLine($"  {mapping.Vm} address {mapping.Virtual} -> bus {mapping.Bus}");
        console.WriteLine(report.AddressZero.Count == 0 ? "" : "\nAddress 0, one VM at a time:");
        foreach (AddressZeroTurn turn in report.AddressZero)
            console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {turn.StartNs / 1e6,9:F3} to {turn.EndNs / 1e6,9:F3} ms  {turn.Vm}"));
        console.WriteLine(report.Tokens.Count == 0 ? "" : "\nTokens:");
        foreach (string token in report.Tokens)
            console.WriteLine($"  {token}");
        console.WriteLine("");
        BusStripView.Write(console, report.Strip);
        console.WriteLine("");
        foreach (AddressOutcome outcome in report.Vms)
        {
            string enumerated = outcome.EnumerationNs == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" (address after {outcome.EnumerationNs / 1e6:F1} ms)");
            console.MarkupLine($"  {outcome.Name}: [{(outcome.ReadsOwnDisk ? "green" : "red")}]{Markup.Escape(outcome.Outcome)}[/]{enumerated}");
        }

        console.WriteLine($"\n{report.Lookups:N0} looks at the mapping, {report.NotSent:N0} tokens not sent, {report.ExitsForAddresses} exits for addresses.");
    }

    /// <summary>Writes how the bus was shared: a strip of microframes, one microframe close up, and what each VM had.</summary>
    public static void Write(IAnsiConsole console, RegisterSetReport report)
    {
        console.WriteLine($"\n{report.Policy}: {report.Vms.Count} VMs on one bus for {report.WindowNs / 1_000_000} ms; VM 1 takes all it can get, the others read disks.\n");
        BusStripView.Write(console, report.Strip);
        console.WriteLine("\nOne microframe close up (a letter is periodic work, a digit asynchronous, of VM A = 1, B = 2, ...):");
        console.WriteLine($"  |{CloseUp(report.Microframe)}|\n");
        Table table = new Table { Border = TableBorder.Rounded }.AddColumns("VM", "bus time", "share", "visits", "read", "longest wait");
        foreach (SetSummary vm in report.Vms)
        {
            table.AddRow(
                vm.Name + (vm.IsGreedy ? " (greedy)" : ""),
                string.Create(CultureInfo.InvariantCulture, $"{vm.BusNs / 1e6:F3} ms"),
                string.Create(CultureInfo.InvariantCulture, $"{100.0 * vm.BusNs / report.WindowNs:F1} %"),
                vm.Visits.ToString("N0", CultureInfo.InvariantCulture),
                vm.IsGreedy ? "" : $"{vm.BytesRead / 1024:N0} KiB",
                string.Create(CultureInfo.InvariantCulture, $"{vm.GapNsMax / 1e3:F1} us"));
        }

        console.Write(table);
        string numbers = string.Create(CultureInfo.InvariantCulture, $"Jain's index {report.Jain:F3}, periodic load at most {100 * report.PeriodicLoadMax:F1} %.");
        console.MarkupLine(report.IsFair ? $"[green]Every VM was served.[/] {numbers}" : $"[red]STARVED:[/] {string.Join(", ", report.Vms.Where(vm => vm.BusNs == 0).Select(vm => vm.Name))}. {numbers}");
    }

    private static string CloseUp(IReadOnlyList<MicroframeUse> uses)
    {
        StringBuilder line = new(new string('.', MicroframeColumns));
        foreach (MicroframeUse use in uses)
        {
            char mark = (char)((use.IsPeriodic ? 'A' : '1') + use.Set);
            int first = (int)(use.OffsetNs * (ulong)MicroframeColumns / WireTime.MicroframeNs);
            int last = (int)((use.OffsetNs + use.WireNs) * (ulong)MicroframeColumns / WireTime.MicroframeNs);
            for (int column = first; column < Math.Min(Math.Max(last, first + 1), MicroframeColumns); column++)
                line[column] = mark;
        }

        return line.ToString();
    }
}
