using System.CommandLine;
using System.CommandLine.Parsing;

namespace Dma.Lab;

/// <summary>An option that takes some of a few words, side by side, with commas, or each with an option of its own; any other is refused, with the list.</summary>
internal sealed class WordsOption : Option<string[]>
{
    /// <summary>The option, with none of the words where none is given.</summary>
    /// <param name="name">What is typed.</param>
    /// <param name="help">What stands in the help for a word.</param>
    /// <param name="what">What it decides, for the help; the words follow.</param>
    /// <param name="words">The words.</param>
    public WordsOption(string name, string help, string what, IReadOnlyList<string> words)
        : base(name)
    {
        string list = string.Join(", ", words);
        Description = $"{what}: {list}.";
        HelpName = help;
        AllowMultipleArgumentsPerToken = true;
        CompletionSources.Add([.. words]);
        DefaultValueFactory = static _ => [];
        CustomParser = Parse;
        Validators.Add(option =>
        {
            foreach (string word in Parse(option.Tokens).Where(word => !words.Contains(word)))
                option.AddError($"'{word}' of {name} is none of {list}.");
        });
    }

    private static string[] Parse(ArgumentResult argument) => Parse(argument.Tokens);

    private static string[] Parse(IEnumerable<Token> tokens) => [.. tokens.SelectMany(static token => token.Value.Split(','))];
}
