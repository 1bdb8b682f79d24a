using System.Diagnostics.CodeAnalysis;

namespace Dma.Vmm;

/// <summary>The files that a VM has open, by handle.</summary>
internal sealed class OpenFiles
{
    /// <summary>How many there may be.</summary>
    public const int Max = 16;

    private const int IndexBits = 8;

    private readonly OpenFile?[] _files = new OpenFile?[Max];

    // Above the index, so that a handle that was closed does not name the next file.
    private uint _serial;

    public bool HasRoom => Array.IndexOf(_files, null) >= 0;

    public uint Add(OpenFile file)
    {
        int index = Array.IndexOf(_files, null);
        _files[index] = file;
        file.Handle = (++_serial << IndexBits) | (uint)index;
        return file.Handle;
    }

    public bool TryGet(uint handle, [NotNullWhen(true)] out OpenFile? file)
    {
        int index = (int)(handle & ((1 << IndexBits) - 1));
        OpenFile? found = index < Max ? _files[index] : null;
        file = found?.Handle == handle ? found : null;
        return file is not null;
    }

    public bool IsOpen(string path) => Array.Exists(_files, file => file?.Path == path);

    public void Close(OpenFile file)
    {
        _files[Array.IndexOf(_files, file)] = null;
        file.File.Dispose();
    }

    public void CloseAll()
    {
        foreach (OpenFile? file in _files)
            file?.File.Dispose();
        Array.Clear(_files);
    }
}

/// <summary>A file that a VM has open.</summary>
/// <param name="File">The file.</param>
/// <param name="Path">Its name.</param>
/// <param name="IsForWriting">Whether it was opened for that.</param>
internal sealed record OpenFile(IGrantedFile File, string Path, bool IsForWriting)
{
    public uint Handle { get; set; }
}
