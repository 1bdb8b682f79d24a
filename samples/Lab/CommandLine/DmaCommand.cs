using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;

namespace Dma.Lab;

/// <summary>The command <c>dma</c>: its verbs, and the rules that all of them share.</summary>
public static class DmaCommand
{
    private static readonly string[] DefaultVerb = ["run", "direct-dma"];

    /// <summary>Parses a command line and does what it says.</summary>
    /// <param name="arguments">The words after the tool's name.</param>
    /// <param name="terminal">Where to write.</param>
    /// <returns>One of <see cref="ExitCode"/>; after <see cref="ExitCode.BadInput"/> one line on standard error says why.</returns>
    public static int Invoke(IReadOnlyList<string> arguments, Terminal terminal)
    {
        // A word that begins with @ is a file name like any other, not a file of more words.
        ParserConfiguration parser = new() { ResponseFileTokenReplacer = null };
        ParseResult line = Build(terminal).Parse(WithDefaultVerb(arguments), parser);
        terminal.Command = Path(line.CommandResult);
        if (line.Errors.Count != 0 && line.Action is not HelpWithExamples)
            return terminal.Refuse(Explain(line));
        return line.Invoke(new()
        {
            Output = terminal.Output.Profile.Out.Writer,
            Error = terminal.Error.Profile.Out.Writer,
            EnableDefaultExceptionHandler = false,
        });
    }

    private static RootCommand Build(Terminal terminal)
    {
        RootCommand root = new("A simulated computer in which every DMA goes through an Intel VT-d unit.")
        {
            new RunScenario(terminal),
            new Command("check", "Check a statement on random cases, for as long as wanted.")
            {
                new CheckIsolation(terminal),
            },
            new Command("compare", "Do the same in several ways, and compare what each takes.")
            {
                new CompareModels(terminal),
                new ComparePolicies(terminal),
                new CompareSharing(terminal),
            },
            new Audit(terminal),
            new Qtest(terminal),
            new Serve(terminal),
            new Bench(terminal),
            new Replay(terminal),
        };
        HelpOption help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples();
        return root;
    }

    // A word that nobody knows is the mistake; that a command is missing as well only follows from it.
    private static string Explain(ParseResult line) => line.UnmatchedTokens.Count == 0
        ? line.Errors[0].Message
        : $"'{line.UnmatchedTokens[0]}' is no command or option of '{Path(line.CommandResult)}'.";

    private static string Path(CommandResult command) =>
        command.Parent is CommandResult parent ? $"{Path(parent)} {command.Command.Name}" : command.Command.Name;

    // `dma` alone, or with options alone, is the main scenario; help and version stay those of the tool.
    private static IReadOnlyList<string> WithDefaultVerb(IReadOnlyList<string> arguments)
    {
        bool names = arguments.Count != 0
            && (!arguments[0].StartsWith('-') || arguments[0] is "-h" or "-?" or "--help" or "--version");
        return names ? arguments : [.. DefaultVerb, .. arguments];
    }
}
