using Dma.Machine;
using Microsoft.Win32.SafeHandles;

namespace Dma.Lab;

/// <summary>A part of a client's file, read and written by calls of the system: for files that the client could make shorter.</summary>
/// <remarks>
/// A mapping of such a file would end this process when it is touched beyond the new end; here the access is refused.
/// The file is closed with it.
/// </remarks>
/// <param name="file">The file.</param>
/// <param name="start">Where in the file the memory begins.</param>
internal sealed class FileMemory(SafeFileHandle file, ulong start) : IRemoteMemory, IDisposable
{
    /// <inheritdoc/>
    public bool TryRead(ulong offset, Span<byte> destination)
    {
        Span<byte> whole = destination.Length <= 4096 ? stackalloc byte[destination.Length] : new byte[destination.Length];
        long at = (long)(start + offset);
        try
        {
            for (int done = 0; done < whole.Length;)
            {
                int count = RandomAccess.Read(file, whole[done..], at + done);
                if (count == 0)
                    return false;
                done += count;
            }
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return false;
        }

        whole.CopyTo(destination);
        return true;
    }

    /// <inheritdoc/>
    public bool TryWrite(ulong offset, ReadOnlySpan<byte> source)
    {
        try
        {
            // A write beyond the end would make the file longer again, which is for its owner to decide.
            long at = (long)(start + offset);
            if (RandomAccess.GetLength(file) - at < source.Length)
                return false;
            RandomAccess.Write(file, source, at);
            return true;
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return false;
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => file.Dispose();
}
