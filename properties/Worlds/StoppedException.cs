namespace Dma.Properties;

/// <summary>The VMM's software was stopped between two writes.</summary>
internal sealed class StoppedException : Exception
{
    public StoppedException()
        : base("The software was stopped before a write.")
    {
    }

    public StoppedException(string message)
        : base(message)
    {
    }

    public StoppedException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
