using Spectre.Console;

namespace Dma.Lab;

/// <summary>Rogue devices for a person: one line for each trial.</summary>
internal static class RogueView
{
    /// <summary>Writes the table and the verdict.</summary>
    public static void Write(IAnsiConsole console, IReadOnlyList<RogueResult> results)
    {
        Table table = new Table { Border = TableBorder.Rounded, Title = new("Rogue devices, with what stands against them on and off") }
            .AddColumns("it", "against it", "", "the bus says", "reached", "recorded");
        foreach (RogueResult result in results)
        {
            string colour = result.IsContained ? "green" : "red";
            table.AddRow(
                Markup.Escape(result.Habit),
                Markup.Escape(result.Protection),
                result.IsOn ? "on" : "off",
                $"{result.Status}",
                $"[{colour}]{Markup.Escape(result.Reached)}[/]",
                Markup.Escape(string.Join(", ", result.Records.Select(record => record.Split(':')[0]))));
        }

        console.Write(table);
        int on = results.Count(result => result.IsOn);
        int contained = results.Count(result => result is { IsOn: true, IsContained: true });
        console.MarkupLine(contained == on
            ? $"[green]Contained:[/] {contained} of {on} with their protection on."
            : $"[red]ESCAPED:[/] {on - contained} of {on} with their protection on.");
    }
}
