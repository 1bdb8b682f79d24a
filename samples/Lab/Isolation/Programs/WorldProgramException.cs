namespace Dma.Lab;

/// <summary>A text is no world program; the message names the line, and what was expected there.</summary>
internal sealed class WorldProgramException : Exception
{
    /// <summary>With a reason.</summary>
    public WorldProgramException(string message)
        : base(message)
    {
    }

    /// <summary>With a reason, and what was thrown.</summary>
    public WorldProgramException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Without a reason.</summary>
    public WorldProgramException()
    {
    }
}
