using System.Globalization;
using Spectre.Console;

namespace Dma.Lab;

/// <summary>The report on a service VM, for a person.</summary>
internal static class ServiceView
{
    private const int LastDepths = 10;

    /// <summary>Writes how full rings were, what one request costs, what each VM had, and the verdict.</summary>
    public static void Write(IAnsiConsole console, ServiceReport report)
    {
        string transport = report.Transport == "rpc" ? "each request is a call" : "requests lie in shared rings";
        string grants = report.Grants == "map" ? "granted pages are mapped" : "granted pages are copied";
        console.WriteLine(Invariant($"\n{report.Vms.Count} VMs read their disks through a service VM that has the {UsbControllers.TitleOf(report.Controller)} controller, for {report.WindowNs / 1e6:0} ms."));
        console.WriteLine($"{report.Batch} requests at a time, {transport}, {grants}.\n");
        console.WriteLine(Invariant($"Requests without an answer in the end, of {report.Places} places, a column for {report.ColumnNs / 1e6:0.###} ms:"));
        foreach ((string line, ServiceSummary vm) in report.Occupancy.Zip(report.Vms))
            console.WriteLine($"  {vm.Name} |{line}|");
        console.WriteLine("");
        BusStripView.Write(console, report.Strip);
        WriteSequence(console, report);
        WriteFigures(console, report);
        WriteLookAhead(console, report.LookAhead);
        if (report.Crash is { } crash)
        {
            console.WriteLine(Invariant(
                $"The service VM crashed with {crash.Outstanding} requests under way: all VMs knew after {crash.ToldNs / 1e6:F2} ms, {crash.PinsLeft} pages stayed pinned, the controller {(crash.IsControllerBack ? "was reset" : "WAS LOST")}."));
            console.WriteLine(Invariant($"{crash.ReadAgain} of {crash.Vms} VMs read their disks {crash.RestartNs / 1e6:F0} ms later, by the next one."));
        }

        console.MarkupLine(report.IsClean
            ? "[green]Each VM found what is its own.[/]"
            : $"[red]GONE WRONG:[/] {Markup.Escape(string.Join("; ", Problems(report)))}");
    }

    private static void WriteSequence(IAnsiConsole console, ServiceReport report)
    {
        string[] who = [.. report.Sequence.Select(step => step.Who).Distinct()];
        console.WriteLine("\nOne request alone, 18 bytes:");
        Table table = new Table { Border = TableBorder.Rounded }.AddColumns(["us", .. who]);
        foreach (SequenceStep step in report.Sequence)
        {
            string[] cells = new string[who.Length];
            Array.Fill(cells, "");
            cells[Array.IndexOf(who, step.Who)] = step.CostNs == 0 ? Markup.Escape(step.What) : Invariant($"{Markup.Escape(step.What)} {step.CostNs / 1e3:0.##}");
            table.AddRow([Invariant($"{step.AtNs / 1e3:F2}"), .. cells]);
        }

        console.Write(table);
    }

    private static void WriteFigures(IAnsiConsole console, ServiceReport report)
    {
        Table table = new Table { Border = TableBorder.Rounded }.AddColumns("VM", "requests", "read", "each read", "longest", "most under way");
        foreach (ServiceSummary vm in report.Vms)
        {
            table.AddRow(
                vm.Name,
                Invariant($"{vm.Requests:N0}"),
                Invariant($"{vm.Bytes / 1024.0:N0} KiB"),
                Invariant($"{vm.LatencyNs / 1e6:F2} ms"),
                Invariant($"{vm.LatencyNsMax / 1e6:F2} ms"),
                Invariant($"{vm.OutstandingMax}"));
        }

        console.Write(table);
        console.WriteLine(Invariant(
            $"For each request: {report.NotificationsPerRequest:F2} notifications, {report.SwitchesPerRequest:F2} VM switches, {report.MapsPerRequest:F2} maps; {report.CopiesPerByte:F2} copies for each byte."));
        console.WriteLine(Invariant($"Jain's index {report.Jain:F3}, faults {report.Faults}."));
    }

    private static void WriteLookAhead(IAnsiConsole console, LookAheadReport sound)
    {
        console.WriteLine(Invariant(
            $"\nSound in rows of {sound.RowNs / 1e6:0.###} ms: {sound.SubmitNs / 1e6:F2} ms there and {sound.AnswerNs / 1e6:F2} ms back at most, {sound.RowsAhead} rows with the controller; {sound.DepthNeeded} under way are enough."));
        Table table = new Table { Border = TableBorder.Rounded }.AddColumns(["rows under way", .. sound.Depths.Take(LastDepths).Select(depth => Invariant($"{depth.Depth}"))]);
        table.AddRow(["in time", .. sound.Depths.Take(LastDepths).Select(depth => Invariant($"{depth.InTime}"))]);
        table.AddRow(["too late", .. sound.Depths.Take(LastDepths).Select(depth => Invariant($"{depth.Expired}"))]);
        console.Write(table);
    }

    private static IEnumerable<string> Problems(ServiceReport report)
    {
        foreach (ServiceSummary vm in report.Vms.Where(vm => vm.Problem.Length != 0))
            yield return $"{vm.Name} {vm.Problem}";
        if (report.Faults != 0)
            yield return Invariant($"{report.Faults} faults");
        if (report.Jain < ServiceReport.JainMin)
            yield return Invariant($"Jain's index {report.Jain:F3}");
        if (!report.LookAhead.IsEnough)
            yield return "rows of sound came too late";
        if (report.Crash is { IsClean: false })
            yield return "the crash left something behind";
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
