using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Dma.Lab;

/// <summary>The help of System.CommandLine, followed by command lines to copy.</summary>
internal sealed class HelpWithExamples : SynchronousCommandLineAction
{
    private readonly HelpAction _help = new();

    /// <inheritdoc/>
    public override bool ClearsParseErrors => true;

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        _ = _help.Invoke(parseResult);
        TextWriter output = parseResult.InvocationConfiguration.Output;
        output.WriteLine("Examples:");
        foreach (string example in Verbs(parseResult.CommandResult.Command).SelectMany(verb => verb.Examples))
            output.WriteLine($"  dma {example}");
        output.WriteLine();
        output.WriteLine("Exit code: 0 done, 1 the run found a violation, 2 bad input.");
        return ExitCode.Ok;
    }

    private static IEnumerable<Verb> Verbs(Command command) =>
        command.Subcommands.SelectMany(Verbs).Concat(command is Verb verb ? [verb] : []);
}
