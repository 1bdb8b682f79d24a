using System.CommandLine;
using System.CommandLine.Parsing;

namespace Dma.Lab;

/// <summary>A verb that shows something in motion: it has a seed, and can write a timeline.</summary>
internal abstract class TracedVerb : Verb
{
    private readonly SeedOption _seed = new("What the bytes of the disks come from");

    private readonly NewFileOption _trace = new(
        "--trace", "timeline", "Write a timeline for the Perfetto UI or Chrome's tracing page (Trace Event Format, JSON).");

    private readonly JsonOption _json = new();

    /// <inheritdoc cref="Verb"/>
    protected TracedVerb(string name, string description, Terminal terminal)
        : base(name, description, terminal) => Add(_seed, _trace, _json);

    /// <summary>Whether a line asks for a timeline.</summary>
    protected bool IsTraced(CommandResult line) => line.GetValue(_trace) is not null;

    /// <inheritdoc/>
    protected sealed override int Run(ParseResult line)
    {
        if (!_trace.TryCreate(line, out FileStream? trace, out string? problem))
            return Terminal.Refuse(problem);
        using (trace)
        {
            try
            {
                return Run(line, line.GetValue(_seed), trace, line.GetValue(_json));
            }
            catch (IOException failure) when (trace is not null)
            {
                return Terminal.Refuse($"The timeline cannot be written: {failure.Message}");
            }
        }
    }

    /// <summary>Runs it.</summary>
    /// <param name="line">The command line.</param>
    /// <param name="seed">What the bytes of the disks come from.</param>
    /// <param name="trace">Where a timeline goes, or null.</param>
    /// <param name="isJson">Whether the report is JSON.</param>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    protected abstract int Run(ParseResult line, ulong seed, FileStream? trace, bool isJson);
}
