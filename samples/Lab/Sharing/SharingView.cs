using System.Text;
using Dma.UsbDevice;
using Spectre.Console;
using static System.FormattableString;

namespace Dma.Lab;

/// <summary>The reports on a shared controller for a person.</summary>
internal static class SharingView
{
    private const int MicroframeColumns = 100;

    /// <summary>Writes what became of addresses: the mapping, who had address 0, packets, whose the bus was, and the verdict.</summary>
    public static void Write(IAnsiConsole console, AddressReport report)
    {
        string how = report switch
        {
            { Replaced: false } => "Addresses are NOT replaced",
            { Assignment: "static" } => "Addresses are replaced, by those of a fixed range for each VM",
            { Assignment: "software" } => "Addresses are replaced, by those that the VMM chooses",
            _ => "Addresses are replaced, each by the lowest free one",
        };
        console.WriteLine($"\n{report.Vms.Count} VMs, one bus; each driver calls its disk device 1. {how}.\n");
        foreach (AddressMapping mapping in report.Addresses)
            console.WriteLine($"  {mapping.Vm} address {mapping.Virtual} -> bus {mapping.Bus}");
        if (report.AddressZero.Count != 0)
            console.WriteLine($"{(report.Addresses.Count == 0 ? "" : "\n")}Address 0, one VM at a time:");
        foreach (AddressZeroTurn turn in report.AddressZero)
            console.WriteLine(Invariant($"  {turn.StartNs / 1e6,9:F3} to {turn.EndNs / 1e6,9:F3} ms  {turn.Vm}"));
        console.WriteLine($"{(report.AddressZero.Count == 0 ? "" : "\n")}Packets, the first of each kind and how many there were:");
        foreach (PacketRow packet in report.Packets)
            console.MarkupLine(Describe(packet));
        console.WriteLine("");
        if (report.Strip.Rows.Count != 0)
        {
            BusStripView.Write(console, report.Strip);
            console.WriteLine("");
        }

        foreach (AddressOutcome vm in report.Vms)
        {
            string enumerated = vm.EnumerationNs == 0 ? "" : Invariant($" (address after {vm.EnumerationNs / 1e6:F1} ms, {vm.ZeroWaitNs / 1e6:F3} ms of that in line for address 0)");
            console.MarkupLine($"  {vm.Name}: [{(vm.ReadsOwnDisk ? "green" : "red")}]{Markup.Escape(vm.Outcome)}[/]{enumerated}");
        }

        console.WriteLine(Invariant(
            $"\n{report.Addresses.Count} of {UsbBus.AddressCount - 1} addresses in use at most; {report.Lookups:N0} looks at the mapping, {report.NotSent:N0} tokens not sent, {report.ExitsForAddresses} exits for addresses."));
        console.MarkupLine(report.IsClean
            ? "[green]Each VM read its own disk.[/]"
            : $"[red]GONE WRONG:[/] {Markup.Escape(string.Join("; ", report.Vms.Where(static vm => !vm.ReadsOwnDisk).Select(static vm => $"{vm.Name} {vm.Outcome}")))}");
    }

    /// <summary>Writes how the bus was shared: a strip of microframes, one microframe close up, the registers, and what each VM had.</summary>
    public static void Write(IAnsiConsole console, RegisterSetReport report)
    {
        string greedy = string.Join(", ", report.Vms.Where(vm => vm.IsGreedy).Select(vm => $"{vm.Name} takes all it can get by packets of {vm.PacketBytes} bytes"));
        console.WriteLine($"\nPolicy {report.Policy}: {report.Vms.Count} VMs on one bus for {report.WindowNs / 1_000_000} ms; {greedy}, the others read disks.\n");
        BusStripView.Write(console, report.Strip);
        console.WriteLine("\nOne microframe close up (a letter is periodic work, a digit asynchronous, of VM A = 1, B = 2, ...):");
        console.WriteLine($"  |{CloseUp(report.Microframe)}|\n");
        Table registers = new Table { Border = TableBorder.Rounded }.AddColumns(["register", .. report.Vms.Select(vm => vm.Name)]);
        foreach (StateRow row in report.Registers)
            registers.AddRow([row.Register, .. row.Values.Select(value => $"{value:X8}")]);
        console.Write(registers);
        console.Write(Shares(report));
        string jain = report.Jain is { } index
            ? Invariant($"Jain's index of the VMs with work all the time{(report.Policy == "weighted" ? ", by weight," : "")} {index:F3}")
            : "One VM alone has work all the time";
        string numbers = Invariant($"{jain}; periodic load at most {100 * report.PeriodicLoadMax:F1} %, {report.FrameListReads:F1} frame-list reads a microframe.");
        console.MarkupLine(report.IsFair ? $"[green]Every VM was served.[/] {numbers}" : $"[red]STARVED:[/] {string.Join(", ", report.Vms.Where(vm => vm.BusNs == 0).Select(vm => vm.Name))}. {numbers}");
    }

    private static Table Shares(RegisterSetReport report)
    {
        bool counts = report.Policy is "deficit" or "weighted";
        Table table = new Table { Border = TableBorder.Rounded }.AddColumns("VM", "bus time", "share", "visits", "read", "exits/read", "longest wait");
        if (report.Policy == "weighted")
            table.AddColumn("weight");
        if (counts)
            table.AddColumns("deficit", "least to most");
        foreach (SetSummary vm in report.Vms)
        {
            List<string> cells =
            [
                vm.Name + (vm.IsGreedy ? " (greedy)" : ""),
                Invariant($"{vm.BusNs / 1e6:F3} ms"),
                Invariant($"{100.0 * vm.BusNs / report.WindowNs:F1} %"),
                Invariant($"{vm.Visits:N0}"),
                vm.IsGreedy ? "" : $"{vm.BytesRead / 1024:N0} KiB",
                vm.BytesRead == 0 ? "" : Invariant($"{vm.ExitsPerRead:F1}"),
                Invariant($"{vm.GapNsMax / 1e3:F1} us"),
            ];
            if (report.Policy == "weighted")
                cells.Add(Invariant($"{vm.Weight}"));
            if (counts)
                cells.AddRange([Invariant($"{vm.DeficitNs / 1e3:F1} us"), Invariant($"{vm.DeficitNsMin / 1e3:F1} to {vm.DeficitNsMax / 1e3:F1} us")]);
            table.AddRow([.. cells]);
        }

        return table;
    }

    private static string Describe(PacketRow packet)
    {
        string whose = string.Join(", ", packet.Devices);
        string end = packet switch
        {
            { Bus: null } => $"[red]not sent[/]{(packet.Answer.Length == 0 ? "" : $", answered {packet.Answer}")}",
            { Devices.Count: 0 } => "nobody has the address",
            { Devices.Count: > 1 } => $"[red]destroyed: the disks of {whose} answer at once[/]",
            { Answer: "" } => $"no answer of the disk of {whose}",
            _ => $"{packet.Answer} from the disk of {whose}",
        };
        string bus = packet.Bus is { } address ? Invariant($"bus {address}") : "bus -";
        return Invariant($"  {packet.AtNs / 1e6,9:F3} ms  [{VmColors.Of(packet.Number)}]{packet.Vm} addr {packet.Address} -> {bus} ep {packet.Endpoint} {packet.Pid,-5}[/] {end}{(packet.Times == 1 ? "" : Invariant($", {packet.Times:N0} times"))}");
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
