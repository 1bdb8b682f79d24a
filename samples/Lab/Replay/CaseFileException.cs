namespace Dma.Lab;

/// <summary>A file of recorded cases is not what it should be; the message says where, and what was expected there.</summary>
internal sealed class CaseFileException : Exception
{
    /// <summary>A mistake with no explanation.</summary>
    public CaseFileException()
    {
    }

    /// <summary>A mistake.</summary>
    public CaseFileException(string message)
        : base(message)
    {
    }

    /// <summary>A mistake and what led to it.</summary>
    public CaseFileException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
