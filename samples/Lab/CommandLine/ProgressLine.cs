using System.Diagnostics;
using System.Globalization;

namespace Dma.Lab;

/// <summary>One line on standard error that tells how far long work is; it appears after two seconds and goes when done.</summary>
/// <param name="terminal">Where somebody may watch; where nobody does, nothing is written.</param>
/// <param name="what">What is being done, such as "read".</param>
public sealed class ProgressLine(Terminal terminal, string what) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(100);

    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private TimeSpan _next = Patience;
    private int _shown;

    /// <summary>Tells how far the work is.</summary>
    /// <param name="done">Bytes done.</param>
    /// <param name="total">Bytes in all.</param>
    public void Report(ulong done, ulong total)
    {
        if (!terminal.ShowsProgress || _watch.Elapsed < _next)
            return;
        _next = _watch.Elapsed + Refresh;
        double percent = total == 0 ? 100 : 100.0 * done / total;
        string line = string.Create(CultureInfo.InvariantCulture, $"{what} {done >> 20} of {total >> 20} MiB ({percent:F0} %)");
        terminal.Error.Profile.Out.Writer.Write("\r" + line.PadRight(_shown));
        _shown = line.Length;
    }

    /// <summary>Takes the line away.</summary>
    public void Dispose()
    {
        if (_shown != 0)
            terminal.Error.Profile.Out.Writer.Write("\r" + new string(' ', _shown) + "\r");
    }
}
