using Microsoft.Win32.SafeHandles;

namespace Dma.UsbDevice;

/// <summary>A disk in a file, of any size.</summary>
/// <remarks>The length is that of the file when it was opened. A file that shrinks meanwhile becomes a disk with bad blocks.</remarks>
public sealed class FileDiskImage : IDiskImage, IDisposable
{
    private readonly SafeFileHandle _file;
    private readonly bool _isWritable;

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file; it must exist.</param>
    /// <param name="isWritable">Whether it may be written; otherwise it is opened for reading only.</param>
    /// <exception cref="IOException">It cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be opened.</exception>
    public FileDiskImage(string path, bool isWritable = false)
    {
        _isWritable = isWritable;
        _file = File.OpenHandle(
            path, FileMode.Open, isWritable ? FileAccess.ReadWrite : FileAccess.Read, FileShare.ReadWrite, FileOptions.None);
        Length = (ulong)RandomAccess.GetLength(_file);
    }

    /// <inheritdoc/>
    public ulong Length { get; }

    /// <inheritdoc/>
    public bool IsReadOnly => !_isWritable;

    /// <inheritdoc/>
    public bool TryRead(ulong offset, Span<byte> destination)
    {
        if (!Contains(offset, destination.Length))
            return false;
        try
        {
            while (!destination.IsEmpty)
            {
                int count = RandomAccess.Read(_file, destination, (long)offset);
                if (count == 0)
                    return false;
                offset += (ulong)count;
                destination = destination[count..];
            }

            return true;
        }
        catch (Exception exception) when (IsTrouble(exception))
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public bool TryWrite(ulong offset, ReadOnlySpan<byte> source)
    {
        if (!_isWritable || !Contains(offset, source.Length))
            return false;
        try
        {
            RandomAccess.Write(_file, source, (long)offset);
            return true;
        }
        catch (Exception exception) when (IsTrouble(exception))
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public bool TryFlush()
    {
        if (!_isWritable)
            return true;
        try
        {
            RandomAccess.FlushToDisk(_file);
            return true;
        }
        catch (Exception exception) when (IsTrouble(exception))
        {
            return false;
        }
    }

    /// <summary>Closes the file; afterwards every block is bad.</summary>
    public void Dispose() => _file.Dispose();

    private bool Contains(ulong offset, int length) => offset <= Length && (ulong)length <= Length - offset;

    private static bool IsTrouble(Exception exception) =>
        exception is IOException or UnauthorizedAccessException or ObjectDisposedException or NotSupportedException;
}
