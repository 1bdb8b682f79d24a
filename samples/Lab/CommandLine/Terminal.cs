using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Spectre.Console;

namespace Dma.Lab;

/// <summary>Where the tool writes: results to standard output, all else to standard error.</summary>
/// <remarks>Colour and moving lines only where a person looks on; a file or a pipe gets plain text of a fixed width.</remarks>
public sealed class Terminal
{
    private const int PlainWidth = 120;

    /// <summary>Plain text into two writers.</summary>
    /// <param name="output">For results.</param>
    /// <param name="error">For everything else.</param>
    public Terminal(TextWriter output, TextWriter error)
        : this(output, outputIsTerminal: false, error, errorIsTerminal: false, colour: false)
    {
    }

    private Terminal(TextWriter output, bool outputIsTerminal, TextWriter error, bool errorIsTerminal, bool colour)
    {
        Output = Open(output, outputIsTerminal, colour);
        Error = Open(error, errorIsTerminal, colour);
        ShowsProgress = errorIsTerminal;
    }

    /// <summary>Standard output.</summary>
    public IAnsiConsole Output { get; }

    /// <summary>Standard error.</summary>
    public IAnsiConsole Error { get; }

    /// <summary>Whether somebody watches standard error.</summary>
    public bool ShowsProgress { get; }

    /// <summary>The console of this process. The variable NO_COLOR takes the colour away.</summary>
    public static Terminal OfProcess() => new(
        Console.Out,
        !Console.IsOutputRedirected,
        Console.Error,
        !Console.IsErrorRedirected,
        string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")));

    /// <summary>The command whose help has more to say about a line that is refused.</summary>
    public string Command { get; set; } = "dma";

    /// <summary>Says in one line on standard error why nothing was done.</summary>
    /// <param name="problem">The reason; a text of several lines becomes one.</param>
    /// <returns><see cref="ExitCode.BadInput"/>.</returns>
    public int Refuse(string problem)
    {
        string line = string.Join(' ', problem.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        Error.Profile.Out.Writer.WriteLine($"dma: {line} Try '{Command} --help'.");
        return ExitCode.BadInput;
    }

    /// <summary>Writes a result as one JSON value and nothing else.</summary>
    public void WriteJson<T>(T value, JsonTypeInfo<T> type) =>
        Output.Profile.Out.Writer.WriteLine(JsonSerializer.Serialize(value, type));

    private static IAnsiConsole Open(TextWriter writer, bool isTerminal, bool colour)
    {
        IAnsiConsole console = AnsiConsole.Create(new()
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = isTerminal ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = isTerminal && colour ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,

            // What a CI service's variables say of its log window is not what this stream is.
            Enrichment = new() { UseDefaultEnrichers = false },
        });
        if (!isTerminal)
            console.Profile.Width = PlainWidth;
        return console;
    }
}
