using System.CommandLine;

namespace Dma.Lab;

/// <summary>An option that takes one of a few words; any other is refused, with the list.</summary>
internal class WordOption : Option<string>
{
    /// <summary>The option, with the first word where none is given.</summary>
    /// <param name="name">What is typed.</param>
    /// <param name="what">What it decides, for the help; the words follow.</param>
    /// <param name="words">The words.</param>
    public WordOption(string name, string what, params IReadOnlyList<string> words)
        : this(name, what, words, words[0])
    {
    }

    /// <summary>The option, with any of the words, or none, where none is given.</summary>
    /// <param name="name">What is typed.</param>
    /// <param name="what">What it decides, for the help; the words follow.</param>
    /// <param name="words">The words.</param>
    /// <param name="usual">The word where none is given, or null: then there is none.</param>
    public WordOption(string name, string what, IReadOnlyList<string> words, string? usual)
        : base(name)
    {
        string list = string.Join(", ", words);
        Description = $"{what}: {list}.";
        HelpName = "NAME";
        CompletionSources.Add([.. words]);
        if (usual is not null)
            DefaultValueFactory = _ => usual;
        Validators.Add(option =>
        {
            string word = option.GetValueOrDefault<string>() ?? "";
            if (!words.Contains(word))
                option.AddError($"'{word}' of {name} is none of {list}.");
        });
    }
}
