namespace Dma.Lab;

/// <summary>Reads and writes a client's memory by asking the client, one message for each piece.</summary>
internal interface IDmaMessages
{
    /// <summary>Reads bytes; <c>false</c>, and the destination untouched, where the client does not give them in time.</summary>
    /// <param name="address">The first address, as the device has it.</param>
    /// <param name="destination">As many bytes as shall be read.</param>
    bool TryRead(ulong address, Span<byte> destination);

    /// <summary>Writes bytes; <c>false</c> where the client does not take them in time.</summary>
    /// <param name="address">The first address, as the device has it.</param>
    /// <param name="source">The bytes.</param>
    bool TryWrite(ulong address, ReadOnlySpan<byte> source);
}
