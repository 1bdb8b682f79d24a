using Dma.Hal.Spec;

namespace Dma.Vmm;

/// <summary>A folder of the host that a VM may reach. Paths have been checked for their form; what the names lead to is checked here.</summary>
/// <remarks>
/// Nothing here fails by exception but a bug. A name that differs from one that is there in case alone is
/// <see cref="ManagementResult.NameTaken"/> where something would be made, and <see cref="ManagementResult.NotFound"/>
/// otherwise, so that hosts which tell case apart and hosts which do not behave the same.
/// </remarks>
public interface IGrantedFolder
{
    /// <summary>Whether anything may be changed.</summary>
    bool IsWritable { get; }

    /// <summary>Opens a file.</summary>
    /// <param name="path">Not the folder itself.</param>
    /// <param name="isForWriting">Whether it shall be written; only in a folder that is writable.</param>
    /// <param name="create">Whether it is made where it is not there; its directory must be.</param>
    /// <param name="file">The file; null where it was not opened.</param>
    ManagementResult Open(FolderPath path, bool isForWriting, bool create, out IGrantedFile? file);

    /// <summary>Removes a file.</summary>
    /// <param name="path">Not the folder itself.</param>
    /// <param name="freed">How long it was.</param>
    ManagementResult Remove(FolderPath path, out ulong freed);

    /// <summary>Finds an entry of a directory by its number, in the order of the names.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="index">0 and up.</param>
    /// <param name="entry">The entry.</param>
    /// <returns><see cref="ManagementResult.NotFound"/> behind the last one.</returns>
    ManagementResult List(FolderPath directory, int index, out FolderEntry entry);
}

/// <summary>A file or directory in a folder.</summary>
/// <param name="Name">Its name, without the path.</param>
/// <param name="Length">Bytes; null for a directory.</param>
public readonly record struct FolderEntry(string Name, ulong? Length);
