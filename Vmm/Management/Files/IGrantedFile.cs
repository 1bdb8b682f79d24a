namespace Dma.Vmm;

/// <summary>An open file of a granted folder. The host may change it at any time; it is as it is at each call.</summary>
public interface IGrantedFile : IDisposable
{
    /// <summary>Bytes.</summary>
    ulong Length { get; }

    /// <summary>A number that changes when its content does.</summary>
    ulong Version { get; }

    /// <summary>Reads from an offset.</summary>
    /// <param name="offset">At most 2^63 less the length of the destination.</param>
    /// <param name="destination">Where the bytes go.</param>
    /// <param name="count">How many there were: fewer where the file ends.</param>
    /// <returns><c>false</c> where the host cannot.</returns>
    bool TryRead(ulong offset, Span<byte> destination, out int count);

    /// <summary>Writes at an offset; what lies between the end of the file and there becomes zeros.</summary>
    /// <param name="offset">At most 2^63 less the length of the source.</param>
    /// <param name="source">The bytes.</param>
    /// <returns><c>false</c> where the host cannot; some may have been written.</returns>
    bool TryWrite(ulong offset, ReadOnlySpan<byte> source);

    /// <summary>Empties it.</summary>
    /// <returns><c>false</c> where the host cannot.</returns>
    bool TryClear();
}
