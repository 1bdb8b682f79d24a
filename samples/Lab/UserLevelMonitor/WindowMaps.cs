using System.Text;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Draws what a window shows of each page.</summary>
internal static class WindowMaps
{
    private const int RowPages = 64;
    private const int PageBits = 12;

    /// <summary>What the window of a monitor shows now.</summary>
    public static WindowMap Of(MonitorMachine machine, string when)
    {
        List<string> rows = [];
        for (ulong first = 0; first < machine.Machine.Memory.Bytes >> PageBits; first += RowPages)
        {
            StringBuilder row = new($"{first << PageBits,8:X}h ");
            for (ulong page = first; page < first + RowPages; page++)
                row.Append(Sign(machine.Monitor.StateOf(new(page << PageBits))));
            string text = row.ToString();
            if (text.AsSpan().ContainsAny('#', '!'))
                rows.Add(text);
        }

        return new(when, rows);
    }

    private static char Sign(WindowPageState state) => state switch
    {
        WindowPageState.Present => '#',
        WindowPageState.Stale => '!',
        _ => '.',
    };
}
