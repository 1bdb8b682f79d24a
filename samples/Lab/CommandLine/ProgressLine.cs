using System.Diagnostics;
using System.Globalization;

namespace Dma.Lab;

/// <summary>One line on standard error that tells how far long work is; it appears after two seconds and goes when done.</summary>
/// <param name="terminal">Where somebody may watch; where nobody does, nothing is written.</param>
/// <param name="what">What is being done, such as "read".</param>
/// <param name="unit">What is counted, such as "MiB".</param>
/// <param name="unitSize">How much of what is reported makes one of them.</param>
public sealed class ProgressLine(Terminal terminal, string what, string unit, ulong unitSize) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(100);

    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private TimeSpan _next = Patience;
    private int _shown;

    /// <summary>Tells how far the work is.</summary>
    /// <param name="done">How much is done.</param>
    /// <param name="total">How much there is in all.</param>
    public void Report(ulong done, ulong total)
    {
        if (!terminal.ShowsProgress || _watch.Elapsed < _next)
            return;
        _next = _watch.Elapsed + Refresh;
        double percent = total == 0 ? 100 : 100.0 * done / total;
        Show(string.Create(CultureInfo.InvariantCulture, $"{what} {done / unitSize} of {total / unitSize} {unit} ({percent:F0} %)"));
    }

    /// <summary>Tells how far work is of which nobody knows how much there is.</summary>
    /// <param name="done">How much is done.</param>
    /// <param name="time">How long that took.</param>
    public void ReportRate(ulong done, TimeSpan time)
    {
        if (!terminal.ShowsProgress || _watch.Elapsed < _next)
            return;
        _next = _watch.Elapsed + Refresh;
        Show(string.Create(CultureInfo.InvariantCulture, $"{what} {done / unitSize} {unit}, {done / unitSize / time.TotalSeconds:F0} {unit}/s"));
    }

    /// <summary>Takes the line away.</summary>
    public void Dispose()
    {
        if (_shown != 0)
            terminal.Error.Profile.Out.Writer.Write("\r" + new string(' ', _shown) + "\r");
    }

    private void Show(string line)
    {
        terminal.Error.Profile.Out.Writer.Write("\r" + line.PadRight(_shown));
        _shown = line.Length;
    }
}
