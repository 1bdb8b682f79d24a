using Dma.Machine;

namespace Dma.Lab;

/// <summary>Memory of a client that it did not share: the client does each access itself.</summary>
/// <param name="messages">The way to the client.</param>
/// <param name="start">The first address, as the device has it.</param>
internal sealed class MessageMemory(IDmaMessages messages, ulong start) : IRemoteMemory
{
    /// <inheritdoc/>
    public bool TryRead(ulong offset, Span<byte> destination) => messages.TryRead(start + offset, destination);

    /// <inheritdoc/>
    public bool TryWrite(ulong offset, ReadOnlySpan<byte> source) => messages.TryWrite(start + offset, source);
}
