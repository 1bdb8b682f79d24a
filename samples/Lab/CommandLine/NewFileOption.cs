using System.CommandLine;
using System.Diagnostics.CodeAnalysis;

namespace Dma.Lab;

/// <summary>An option that names a file to be written, and the file. One that is there is replaced.</summary>
internal class NewFileOption : Option<string?>
{
    private const int BufferBytes = 1 << 16;

    private readonly string _what;

    /// <summary>The option.</summary>
    /// <param name="name">What is typed.</param>
    /// <param name="what">What the file is, for errors.</param>
    /// <param name="description">What is written into it, for the help.</param>
    public NewFileOption(string name, string what, string description)
        : base(name)
    {
        _what = what;
        Description = $"{description} A file that is there is replaced.";
        HelpName = "FILE";
    }

    /// <summary>Creates the file that a command line names.</summary>
    /// <param name="line">The command line.</param>
    /// <param name="file">The file, or null where none is named.</param>
    /// <param name="problem">Why there is none although one is named; null otherwise.</param>
    public bool TryCreate(ParseResult line, out FileStream? file, [NotNullWhen(false)] out string? problem)
    {
        (file, problem) = (null, null);
        if (line.GetValue(this) is not { } path)
            return true;
        try
        {
            file = new(path, FileMode.Create, FileAccess.Write, FileShare.Read, BufferBytes);
            return true;
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException or ArgumentException)
        {
            problem = $"The {_what} '{path}' cannot be written: {refusal.Message}";
            return false;
        }
    }
}
