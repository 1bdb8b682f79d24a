namespace Dma.UsbDevice;

/// <summary>The bytes of a disk.</summary>
/// <remarks>Trouble is an answer, never an exception: a disk that fails is part of the world that drivers live in.</remarks>
public interface IDiskImage
{
    /// <summary>Bytes on the disk; what is beyond the last whole block is not reachable.</summary>
    ulong Length { get; }

    /// <summary>Whether it refuses to be written.</summary>
    bool IsReadOnly { get; }

    /// <summary>Reads bytes; <c>false</c> where they cannot all be read, and then the destination means nothing.</summary>
    bool TryRead(ulong offset, Span<byte> destination);

    /// <summary>Writes bytes; <c>false</c> where they cannot all be written, and then any part of them may be.</summary>
    bool TryWrite(ulong offset, ReadOnlySpan<byte> source);

    /// <summary>Brings what was written to where it lasts; <c>false</c> where that failed.</summary>
    bool TryFlush();
}
