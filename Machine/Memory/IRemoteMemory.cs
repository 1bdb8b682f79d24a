namespace Dma.Machine;

/// <summary>Memory that is somewhere else, such as with another process: whoever has it does each read and each write.</summary>
/// <remarks>Unlike memory that is here, it may refuse an access that it took before: a refused one changes nothing on either side.</remarks>
public interface IRemoteMemory
{
    /// <summary>Reads bytes; <c>false</c>, and the destination untouched, where they cannot be had.</summary>
    /// <param name="offset">The first byte, from the beginning of this memory.</param>
    /// <param name="destination">As many bytes as shall be read, at least one.</param>
    bool TryRead(ulong offset, Span<byte> destination);

    /// <summary>Writes bytes; <c>false</c>, and memory untouched, where they are not taken.</summary>
    /// <param name="offset">The first byte, from the beginning of this memory.</param>
    /// <param name="source">The bytes, at least one.</param>
    bool TryWrite(ulong offset, ReadOnlySpan<byte> source);

    /// <summary>Replaces a naturally aligned quadword if it still holds what is expected; <c>false</c> where that cannot be done as one access.</summary>
    /// <param name="offset">A multiple of 8, from the beginning of this memory.</param>
    /// <param name="expected">What must be there.</param>
    /// <param name="replacement">What is put there.</param>
    /// <param name="found">What was there; the exchange happened where it equals <paramref name="expected"/>.</param>
    bool TryCompareExchange(ulong offset, ulong expected, ulong replacement, out ulong found)
    {
        found = 0;
        return false;
    }
}
