namespace Dma.Drivers;

/// <summary>A driver gave up. It never waits for ever, and leaves nothing mapped that it mapped for the failed request.</summary>
public sealed class DriverException : Exception
{
    /// <summary>A failure with no explanation.</summary>
    public DriverException()
    {
    }

    /// <summary>A failure of no particular kind.</summary>
    public DriverException(string message)
        : base(message)
    {
    }

    /// <summary>A failure of no particular kind and what led to it.</summary>
    public DriverException(string message, Exception inner)
        : base(message, inner)
    {
    }

    /// <summary>A failure.</summary>
    /// <param name="failure">Its kind.</param>
    /// <param name="message">What happened, in a sentence.</param>
    public DriverException(DriverFailure failure, string message)
        : base(message) => Failure = failure;

    /// <summary>Its kind.</summary>
    public DriverFailure Failure { get; }
}
