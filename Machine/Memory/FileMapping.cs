using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace Dma.Machine;

/// <summary>A part of a file, mapped so that others may map it too.</summary>
internal sealed class FileMapping : IDisposable
{
    private readonly MemoryMappedFile _file;

    /// <summary>Maps a part of an open file, which is closed with the mapping, but not where there is none.</summary>
    /// <exception cref="IOException">The file ends before the part does, or the system refuses.</exception>
    /// <exception cref="UnauthorizedAccessException">The file is open for reading only, and the mapping is not.</exception>
    public FileMapping(SafeFileHandle file, long offset, long length, bool isReadOnly)
    {
        (Handle, Offset) = (file, offset);
        if (RandomAccess.GetLength(file) - offset < length)
            throw new IOException($"The file ends before {offset + length} bytes.");
        MemoryMappedFileAccess access = isReadOnly ? MemoryMappedFileAccess.Read : MemoryMappedFileAccess.ReadWrite;
        _file = MemoryMappedFile.CreateFromFile(file, mapName: null, capacity: 0, access, HandleInheritability.None, leaveOpen: true);
        try
        {
            View = _file.CreateViewAccessor(offset, length, access);
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    /// <summary>Where in the file it begins.</summary>
    public long Offset { get; }

    /// <summary>The mapping.</summary>
    public MemoryMappedViewAccessor View { get; }

    /// <summary>The file.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>Creates the file where there is none, grows it where it is shorter, and maps it.</summary>
    /// <exception cref="IOException">The system refuses.</exception>
    public static FileMapping OfPath(string path, long offset, long length)
    {
        SafeFileHandle file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            if (RandomAccess.GetLength(file) < offset + length)
                RandomAccess.SetLength(file, offset + length);
            return new(file, offset, length, isReadOnly: false);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        View.Dispose();
        _file.Dispose();
        Handle.Dispose();
    }
}
