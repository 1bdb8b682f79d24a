using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Dma.Machine;

/// <summary>A directory of the host, and what lies beneath it: no name leads out of it, through no link, whatever others do there meanwhile.</summary>
/// <remarks>
/// The kernel walks each path itself, from the open directory down (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS), so
/// that there is no moment between a check and a use. Linux from 5.6 on; elsewhere <see cref="TryOpen"/> gives nothing.
/// </remarks>
public sealed unsafe partial class DirectoryDescriptor : IDisposable
{
    /// <summary>How many entries of a directory are looked at.</summary>
    public const int EntriesMax = 4096;

    private const int OpenAt2 = 437;
    private const int CurrentDirectory = -100;
    private const ulong ReadWrite = 2;
    private const ulong CreateFile = 0x40;
    private const ulong NonBlocking = 0x800;
    private const ulong CloseOnExec = 0x8_0000;
    private const ulong PathOnly = 0x20_0000;
    private const ulong NoMagicLinks = 2;
    private const ulong NoLinks = 4;
    private const ulong Beneath = 8;
    private const ulong OwnerWritesOthersRead = 0b110_100_100;
    private const int EmptyPath = 0x1000;
    private const int NotThroughLinks = 0x100;
    private const uint BasicFields = 0x7FF;

    private readonly SafeFileHandle _directory;

    private DirectoryDescriptor(SafeFileHandle directory) => _directory = directory;

    /// <summary>Whether this system walks paths so.</summary>
    public static bool IsSupported
    {
        get
        {
            using DirectoryDescriptor? root = TryOpen("/");
            return root is not null;
        }
    }

    /// <summary>Opens a directory of the host; links in its own path count.</summary>
    /// <returns><c>null</c> where it is none, or this system cannot hold anybody to it.</returns>
    public static DirectoryDescriptor? TryOpen(string path)
    {
        if (!OperatingSystem.IsLinux() || sizeof(nint) != 8)
            return null;
        SafeFileHandle? handle = Open(CurrentDirectory, path, PathOnly, 0, out _);
        if (handle is not null && TryStatus(handle, out FileStatus status) && status.Kind == FileKind.Directory)
            return new(handle);
        handle?.Dispose();
        return null;
    }

    /// <summary>Opens a file beneath; a pipe or another special file does not make it wait.</summary>
    /// <param name="path">Parts with slashes between them.</param>
    /// <param name="isForWriting">Whether it shall be written.</param>
    /// <param name="create">Whether it is made where it is not there.</param>
    /// <param name="isMissing">Whether there is no such thing, where nothing was opened.</param>
    /// <returns><c>null</c> where it cannot be.</returns>
    public SafeFileHandle? OpenFile(string path, bool isForWriting, bool create, out bool isMissing)
    {
        ulong flags = NonBlocking | (isForWriting ? ReadWrite : 0) | (create ? CreateFile : 0);
        SafeFileHandle? handle = Open((int)_directory.DangerousGetHandle(), path, flags, Beneath | NoLinks | NoMagicLinks, out int error);
        isMissing = handle is null && error is 2 or 20;
        return handle;
    }

    /// <summary>Removes a file beneath.</summary>
    /// <param name="path">Parts with slashes between them.</param>
    public bool TryRemove(string path)
    {
        using SafeFileHandle? parent = OpenParent(path, out string name);
        return parent is not null && UnlinkAt(parent, name, 0) == 0;
    }

    /// <summary>The entries of a directory beneath, in the order of their names, <see cref="EntriesMax"/> at most; links are left out.</summary>
    /// <param name="path">Parts with slashes between them; empty for the directory itself.</param>
    /// <returns><c>null</c> where it is none, or cannot be read.</returns>
    public IReadOnlyList<(string Name, FileStatus Status)>? List(string path)
    {
        using SafeFileHandle? opened = path.Length == 0 ? null : Open((int)_directory.DangerousGetHandle(), path, PathOnly, Beneath | NoLinks | NoMagicLinks, out _);
        SafeFileHandle? directory = path.Length == 0 ? _directory : opened;
        if (directory is null || !TryStatus(directory, out FileStatus status) || status.Kind != FileKind.Directory)
            return null;
        List<(string Name, FileStatus Status)> entries = [];
        try
        {
            foreach (string entry in Directory.EnumerateFileSystemEntries($"/proc/self/fd/{directory.DangerousGetHandle()}").Take(EntriesMax))
            {
                string name = Path.GetFileName(entry);
                if (TryStatus(directory, name, NotThroughLinks, out FileStatus found) && found.Kind != FileKind.Other)
                    entries.Add((name, found));
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        entries.Sort(static (left, right) => string.CompareOrdinal(left.Name, right.Name));
        return entries;
    }

    /// <summary>What an open file is.</summary>
    public static bool TryStatus(SafeFileHandle handle, out FileStatus status) => TryStatus(handle, "", EmptyPath, out status);

    /// <inheritdoc/>
    public void Dispose() => _directory.Dispose();

    private SafeFileHandle? OpenParent(string path, out string name)
    {
        int end = path.LastIndexOf('/');
        name = path[(end + 1)..];
        return Open((int)_directory.DangerousGetHandle(), end < 0 ? "." : path[..end], PathOnly, Beneath | NoLinks | NoMagicLinks, out _);
    }

    private static SafeFileHandle? Open(int directory, string path, ulong flags, ulong resolve, out int error)
    {
        Manner manner = new() { Flags = flags | CloseOnExec, Mode = (flags & CreateFile) != 0 ? OwnerWritesOthersRead : 0, Resolve = resolve };
        nint descriptor = SystemCall(OpenAt2, directory, path, &manner, (nuint)sizeof(Manner));
        error = descriptor < 0 ? Marshal.GetLastPInvokeError() : 0;
        return descriptor < 0 ? null : new(descriptor, ownsHandle: true);
    }

    private static bool TryStatus(SafeFileHandle directory, string path, int flags, out FileStatus status)
    {
        ExtendedStatus found = default;
        bool isKnown = StatX(directory, path, flags, BasicFields, &found) == 0;
        status = new((FileKind)(found.Mode & 0xF000), found.Length, found.Links, ((ulong)found.ModifiedSeconds * 1_000_000_000) + found.ModifiedNanoseconds);
        if (status.Kind is not (FileKind.File or FileKind.Directory))
            status = status with { Kind = FileKind.Other };
        return isKnown;
    }

    // struct open_how.
    [StructLayout(LayoutKind.Sequential)]
    private struct Manner
    {
        public ulong Flags;
        public ulong Mode;
        public ulong Resolve;
    }

    // struct statx, the same on all machines; only what is looked at has a name.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct ExtendedStatus
    {
        [FieldOffset(16)]
        public uint Links;

        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(40)]
        public ulong Length;

        [FieldOffset(112)]
        public long ModifiedSeconds;

        [FieldOffset(120)]
        public uint ModifiedNanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint SystemCall(nint number, nint directory, string path, Manner* manner, nuint length);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int UnlinkAt(SafeFileHandle directory, string name, int flags);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int StatX(SafeFileHandle directory, string path, int flags, uint fields, ExtendedStatus* status);
}
