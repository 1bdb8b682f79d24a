using System.CommandLine;

namespace Dma.Lab;

/// <summary>The option <c>--json</c>: the report for a program instead of a person.</summary>
internal sealed class JsonOption : Option<bool>
{
    /// <summary>The option.</summary>
    /// <param name="what">What is written, for the help.</param>
    public JsonOption(string what = "the report as one JSON object")
        : base("--json") => Description = $"Write {what}.";
}
