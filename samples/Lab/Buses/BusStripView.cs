using System.Globalization;
using Dma.UsbDevice;
using Spectre.Console;

namespace Dma.Lab;

/// <summary>Draws whose a bus was, for a person.</summary>
internal static class BusStripView
{
    // The part of a microframe that was used: nothing, and then a quarter each.
    private const string Levels = " ░▒▓█";

    /// <summary>Writes a line for each VM, with a column for each microframe.</summary>
    public static void Write(IAnsiConsole console, BusStrip strip)
    {
        if (strip.Rows.Count == 0)
            return;
        int width = strip.Rows.Max(row => row.Name.Length);
        console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"The bus by VM from {strip.StartNs / 1e6:F3} ms on, 125 us a column ({Levels.Trim()} up to a quarter of it, a half, three quarters, all):"));
        for (int number = 0; number < strip.Rows.Count; number++)
        {
            StripRow row = strip.Rows[number];
            string levels = string.Concat(row.PeriodicNs.Zip(row.AsyncNs, (periodic, async) => Level(periodic + async)));
            console.MarkupLine($"  {Markup.Escape(row.Name.PadRight(width))} |[{VmColors.Of(number)}]{levels}[/]|");
        }
    }

    private static char Level(uint ns) => Levels[(int)Math.Min(((ns * 4L) + WireTime.MicroframeNs - 1) / WireTime.MicroframeNs, Levels.Length - 1)];
}
