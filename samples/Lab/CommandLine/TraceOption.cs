using System.CommandLine;
using System.Diagnostics.CodeAnalysis;

namespace Dma.Lab;

/// <summary>The option that asks for a timeline of a run, and the file that it names.</summary>
internal sealed class TraceOption : Option<string?>
{
    /// <summary>The option <c>--trace</c>.</summary>
    public TraceOption()
        : base("--trace")
    {
        Description = "Write a timeline for the Perfetto UI or Chrome's tracing page (Trace Event Format, JSON). A file that is there is replaced.";
        HelpName = "FILE";
    }

    /// <summary>Creates the file.</summary>
    /// <param name="path">As typed; null where no timeline is asked for.</param>
    /// <param name="file">The file, or null where none is asked for.</param>
    /// <param name="problem">Why there is none although one is asked for; empty otherwise.</param>
    public static bool TryCreate(string? path, out FileStream? file, [NotNullWhen(false)] out string? problem)
    {
        (file, problem) = (null, null);
        if (path is null)
            return true;
        try
        {
            file = new(path, FileMode.Create, FileAccess.Write, FileShare.Read);
            return true;
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException or ArgumentException)
        {
            problem = $"The timeline '{path}' cannot be written: {refusal.Message}";
            return false;
        }
    }
}
