using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace Dma.Machine;

/// <summary>A part of a file, mapped so that others may map it too.</summary>
internal sealed class FileMapping : IDisposable
{
    private readonly FileStream _stream;
    private readonly MemoryMappedFile _file;

    /// <summary>Creates the file where there is none, grows it where it is shorter, and maps it.</summary>
    /// <exception cref="IOException">The system refuses.</exception>
    public FileMapping(string path, long offset, long length)
    {
        Offset = offset;
        _stream = new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            if (_stream.Length < offset + length)
                _stream.SetLength(offset + length);
            _file = MemoryMappedFile.CreateFromFile(
                _stream, mapName: null, capacity: 0, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: true);
            View = _file.CreateViewAccessor(offset, length);
        }
        catch
        {
            _file?.Dispose();
            _stream.Dispose();
            throw;
        }
    }

    /// <summary>Where in the file it begins.</summary>
    public long Offset { get; }

    /// <summary>The mapping.</summary>
    public MemoryMappedViewAccessor View { get; }

    /// <summary>The file.</summary>
    public SafeFileHandle Handle => _stream.SafeFileHandle;

    public void Dispose()
    {
        View.Dispose();
        _file.Dispose();
        _stream.Dispose();
    }
}
