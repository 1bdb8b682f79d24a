namespace Dma.Lab;

/// <summary>How long the server waits for a client before it gives it up.</summary>
/// <param name="Message">For the rest of what has begun: a message, its answers being taken, or the agreement at the beginning.</param>
/// <param name="Access">For the answer to one access to memory that the client has not shared.</param>
internal sealed record VfioUserPatience(TimeSpan Message, TimeSpan Access)
{
    /// <summary>Ten seconds, and one: less than QEMU waits for an answer of its own.</summary>
    public static VfioUserPatience Default { get; } = new(TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(1));
}
