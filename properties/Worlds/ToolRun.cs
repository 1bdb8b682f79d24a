using Dma.Lab;

namespace Dma.Properties;

/// <summary>One run of the command line, and what a shell sees of it.</summary>
/// <param name="ExitCode">What it returned.</param>
/// <param name="Output">What it wrote to standard output.</param>
/// <param name="Error">What it wrote to standard error.</param>
internal sealed record ToolRun(int ExitCode, string Output, string Error)
{
    /// <summary>Runs <c>dma</c> with these words.</summary>
    public static ToolRun Of(params string[] arguments)
    {
        using StringWriter output = new() { NewLine = "\n" };
        using StringWriter error = new() { NewLine = "\n" };
        int exitCode = DmaCommand.Invoke(arguments, new(output, error));
        return new(exitCode, output.ToString(), error.ToString());
    }
}
