using System.Globalization;
using Spectre.Console;

namespace Dma.Lab;

/// <summary>A comparison for a person: a table for each controller, a timeline for each model, and the verdict.</summary>
internal static class ModelView
{
    private const int RowsMax = 40;

    /// <summary>Writes it.</summary>
    public static void Write(IAnsiConsole console, ModelReport report, bool showTimelines)
    {
        foreach (IGrouping<string, ModelFigures> group in report.Work.GroupBy(figures => figures.Controller))
        {
            console.Write(Figures(group.Key, group));
            foreach (ModelMediator mediator in report.Mediators.Where(mediator => mediator.Controller == group.Key))
                console.WriteLine($"  {Name(mediator.Model),-8} mediator: {mediator.Mediator}");
            console.WriteLine();
        }

        foreach (ModelTransfer transfer in showTimelines ? report.Timelines : [])
            console.Write(Timeline(transfer));
        console.MarkupLine(report.IsDataEqual ? "[green]Equal:[/] every model gave the guest and the devices the same data." : "[red]DIFFERENT:[/] the models did not give the same data.");
        console.MarkupLine(report.IsInOrder ? "[green]In order:[/] exits emulated >= split >= direct, for every piece of work." : "[red]OUT OF ORDER:[/] a model has more exits than one before it.");
    }

    private static Table Figures(string controller, IEnumerable<ModelFigures> work)
    {
        Table table = new Table { Border = TableBorder.Rounded, Title = new($"The same guest work by three models, {controller.ToUpperInvariant()}") }
            .AddColumns("work", "model", "IOs", "exits", "exits/IO", "copies/B", "latency (max)", "cycles/B", "g/V/h %", "missed");
        string? last = null;
        foreach (ModelFigures figures in work.GroupBy(figures => figures.Work).SelectMany(group => group))
        {
            table.AddRow(
                figures.Work == last ? "" : Markup.Escape(figures.Work),
                Name(figures.Model),
                Text($"{figures.Transfers:N0}"),
                Text($"{figures.Exits:N0}"),
                Text($"{figures.ExitsPerTransfer:F2}"),
                Number(figures.CopiesPerByte),
                Text($"{figures.LatencyMean:F1} ({figures.LatencyMax:F0})"),
                Number(figures.CyclesPerByte),
                Split(figures),
                figures.SlotsDue == 0 ? "" : Text($"{figures.SlotsMissed} of {figures.SlotsDue}"));
            last = figures.Work;
        }

        return table;
    }

    private static string Split(ModelFigures figures)
    {
        double all = Math.Max(1, figures.GuestCycles + figures.VmmCycles + figures.HostCycles);
        return Text($"{100 * figures.GuestCycles / all:F0}/{100 * figures.VmmCycles / all:F0}/{100 * figures.HostCycles / all:F0}");
    }

    private static Table Timeline(ModelTransfer transfer)
    {
        Table table = new Table { Border = TableBorder.Rounded, Title = new($"A read of 4 KiB, {Name(transfer.Model)}, {transfer.Controller.ToUpperInvariant()}") }
            .AddColumns("µs", "guest", "VMM", "host drivers", "bus", "IOMMU");
        foreach (ModelEvent entry in transfer.Events.Take(RowsMax))
        {
            string[] cells = ["", "", "", "", ""];
            cells[(int)entry.Lane] = Markup.Escape(Describe(entry));
            table.AddRow([entry.Count == 1 ? Text($"{entry.StartNs / 1e3:F1}") : Text($"{entry.StartNs / 1e3:F1} to {entry.EndNs / 1e3:F1}"), .. cells]);
        }

        if (transfer.Events.Count > RowsMax)
            table.Caption = new(Text($"{transfer.Events.Count - RowsMax} more rows: --json has all."));
        return table;
    }

    private static string Describe(ModelEvent entry) => Text($"{entry.What}{(entry.Count == 1 ? "" : $" ×{entry.Count}")}{(entry.Bytes == 0 ? "" : Text($", {entry.Bytes:N0} B"))}");

    private static string Name(IoModel model) => model switch
    {
        IoModel.Emulated => "emulated",
        IoModel.Split => "split",
        _ => "direct",
    };

    private static string Number(double value) => value >= 100 ? Text($"{value:N0}") : Text($"{value:F2}");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
