namespace Dma.Lab;

/// <summary>What the tool tells the shell.</summary>
public static class ExitCode
{
    /// <summary>The work was done and nothing was violated.</summary>
    public const int Ok = 0;

    /// <summary>The work was done and found a violation.</summary>
    public const int Violation = 1;

    /// <summary>The command line or a file is wrong; nothing was run and nothing changed.</summary>
    public const int BadInput = 2;
}
