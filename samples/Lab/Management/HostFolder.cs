using Dma.Hal.Spec;
using Dma.Machine;
using Dma.Vmm;
using Microsoft.Win32.SafeHandles;

namespace Dma.Lab;

/// <summary>A directory of the real host, granted to a VM.</summary>
/// <remarks>
/// Links are never followed, and only ordinary files are opened; one that has another name, too, is not written: that name may
/// lie elsewhere. The version of a file is made of the time of its last change and its length, and so as fine as the clock that
/// the host's file system has.
/// </remarks>
internal sealed class HostFolder : IGrantedFolder, IDisposable
{
    private readonly DirectoryDescriptor _directory;

    private HostFolder(DirectoryDescriptor directory, bool isWritable) => (_directory, IsWritable) = (directory, isWritable);

    /// <inheritdoc/>
    public bool IsWritable { get; }

    /// <summary>Opens a directory; <c>null</c> where it is none, or this system cannot hold a guest to it.</summary>
    public static HostFolder? TryOpen(string path, bool isWritable) =>
        DirectoryDescriptor.TryOpen(path) is { } directory ? new(directory, isWritable) : null;

    /// <inheritdoc/>
    public void Dispose() => _directory.Dispose();

    /// <inheritdoc/>
    public ManagementResult Open(FolderPath path, bool isForWriting, bool create, out IGrantedFile? file)
    {
        file = null;
        if (create && HasOtherCase(path))
            return ManagementResult.NameTaken;
        SafeFileHandle? handle = _directory.OpenFile(path.ToString(), isForWriting, create, out bool isMissing);
        if (handle is null)
            return isMissing ? ManagementResult.NotFound : ManagementResult.HostError;
        if (DirectoryDescriptor.TryStatus(handle, out FileStatus status) && status.Kind == FileKind.File && (!isForWriting || status.Links == 1))
        {
            file = new HostFile(handle);
            return ManagementResult.Done;
        }

        handle.Dispose();
        return ManagementResult.HostError;
    }

    /// <inheritdoc/>
    public ManagementResult Remove(FolderPath path, out ulong freed)
    {
        freed = 0;
        using SafeFileHandle? handle = _directory.OpenFile(path.ToString(), isForWriting: false, create: false, out bool isMissing);
        if (handle is null)
            return isMissing ? ManagementResult.NotFound : ManagementResult.HostError;
        if (!DirectoryDescriptor.TryStatus(handle, out FileStatus status) || status.Kind != FileKind.File || !_directory.TryRemove(path.ToString()))
            return ManagementResult.HostError;
        freed = status.Links == 1 ? status.Length : 0;
        return ManagementResult.Done;
    }

    /// <inheritdoc/>
    public ManagementResult List(FolderPath directory, int index, out FolderEntry entry)
    {
        entry = default;
        if (_directory.List(directory.ToString()) is not { } entries || index >= entries.Count)
            return ManagementResult.NotFound;
        (string name, FileStatus status) = entries[index];
        entry = new(name, status.Kind == FileKind.Directory ? null : status.Length);
        return ManagementResult.Done;
    }

    private bool HasOtherCase(FolderPath path)
    {
        string parent = string.Join('/', path.Parts.SkipLast(1));
        string name = path.Parts[^1];
        return _directory.List(parent)?.Any(entry => entry.Name != name && entry.Name.Equals(name, StringComparison.OrdinalIgnoreCase)) ?? false;
    }

    private sealed class HostFile(SafeFileHandle handle) : IGrantedFile
    {
        public ulong Length => DirectoryDescriptor.TryStatus(handle, out FileStatus status) ? status.Length : 0;

        public ulong Version => DirectoryDescriptor.TryStatus(handle, out FileStatus status) ? status.Modified ^ status.Length : 0;

        public void Dispose() => handle.Dispose();

        public bool TryRead(ulong offset, Span<byte> destination, out int count)
        {
            count = 0;
            try
            {
                while (count < destination.Length && RandomAccess.Read(handle, destination[count..], (long)offset + count) is > 0 and int more)
                    count += more;
                return true;
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                return false;
            }
        }

        public bool TryWrite(ulong offset, ReadOnlySpan<byte> source)
        {
            try
            {
                RandomAccess.Write(handle, source, (long)offset);
                return true;
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                return false;
            }
        }

        public bool TryClear()
        {
            try
            {
                RandomAccess.SetLength(handle, 0);
                return true;
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                return false;
            }
        }
    }
}
