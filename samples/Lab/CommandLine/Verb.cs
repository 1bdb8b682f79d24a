using System.CommandLine;

namespace Dma.Lab;

/// <summary>One thing that the tool does. A verb is a class in a file of its own, named once in <see cref="DmaCommand"/>.</summary>
internal abstract class Verb : Command
{
    /// <summary>A verb that writes to a terminal.</summary>
    /// <param name="name">What is typed, in lower case.</param>
    /// <param name="description">One sentence for the help.</param>
    /// <param name="terminal">Where it writes.</param>
    protected Verb(string name, string description, Terminal terminal)
        : base(name, description)
    {
        Terminal = terminal;
        SetAction(Run);
    }

    /// <summary>Command lines for the end of the help, without the tool's name.</summary>
    public abstract IReadOnlyList<string> Examples { get; }

    /// <summary>Where it writes.</summary>
    protected Terminal Terminal { get; }

    /// <summary>Adds options, in the order of the help.</summary>
    /// <param name="options">The options.</param>
    protected void Add(params ReadOnlySpan<Option> options)
    {
        foreach (Option option in options)
            Options.Add(option);
    }

    /// <summary>Does it, with a command line that was parsed without error.</summary>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    protected abstract int Run(ParseResult line);
}
