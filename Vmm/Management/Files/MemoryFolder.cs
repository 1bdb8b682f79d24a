using Dma.Hal.Spec;

namespace Dma.Vmm;

/// <summary>A granted folder that is nowhere but in memory. A directory is there as long as a file is in it.</summary>
/// <param name="isWritable">Whether VMs may change it; the host always may.</param>
public sealed class MemoryFolder(bool isWritable = true) : IGrantedFolder
{
    private readonly SortedDictionary<string, Content> _files = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public bool IsWritable => isWritable;

    /// <summary>The names of its files, with slashes, in order.</summary>
    public IReadOnlyCollection<string> Files => _files.Keys;

    /// <summary>Bytes in all of its files.</summary>
    public ulong BytesUsed => _files.Values.Aggregate(0ul, (sum, content) => sum + (ulong)content.Bytes.Length);

    /// <summary>Puts a file there, as the host does; one that is there and open changes for all who have it open.</summary>
    /// <exception cref="ArgumentException">A name that <see cref="FolderPath"/> refuses.</exception>
    public void Put(string path, ReadOnlySpan<byte> bytes)
    {
        if (FolderPath.TryParse(System.Text.Encoding.UTF8.GetBytes(path)) is null)
            throw new ArgumentException($"'{path}' is no name in a folder.", nameof(path));
        if (!_files.TryGetValue(path, out Content? content))
            _files.Add(path, content = new());
        content.Bytes = bytes.ToArray();
        content.Version++;
    }

    /// <summary>What is in a file; null where there is none.</summary>
    public byte[]? Get(string path) => _files.TryGetValue(path, out Content? content) ? [.. content.Bytes] : null;

    /// <inheritdoc/>
    public ManagementResult Open(FolderPath path, bool isForWriting, bool create, out IGrantedFile? file)
    {
        file = null;
        string name = path.ToString();
        if (!_files.TryGetValue(name, out Content? content))
        {
            if (!create)
                return ManagementResult.NotFound;
            if (HasOtherCase(path) || IsDirectory(name))
                return ManagementResult.NameTaken;
            if (path.Parts.Count > 1 && !IsDirectory(string.Join('/', path.Parts.SkipLast(1))))
                return ManagementResult.NotFound;
            _files.Add(name, content = new());
        }

        file = new OpenContent(content);
        return ManagementResult.Done;
    }

    /// <inheritdoc/>
    public ManagementResult Remove(FolderPath path, out ulong freed)
    {
        freed = 0;
        if (!_files.Remove(path.ToString(), out Content? content))
            return ManagementResult.NotFound;
        freed = (ulong)content.Bytes.Length;
        return ManagementResult.Done;
    }

    /// <inheritdoc/>
    public ManagementResult List(FolderPath directory, int index, out FolderEntry entry)
    {
        string prefix = directory.Parts.Count == 0 ? "" : directory + "/";
        FolderEntry[] entries =
        [
            .. _files.Where(file => file.Key.StartsWith(prefix, StringComparison.Ordinal))
                .Select(file => (Below: file.Key[prefix.Length..], file.Value))
                .Select(file => file.Below.IndexOf('/', StringComparison.Ordinal) is >= 0 and int end
                    ? new FolderEntry(file.Below[..end], null)
                    : new FolderEntry(file.Below, (ulong)file.Value.Bytes.Length))
                .Distinct()
                .OrderBy(found => found.Name, StringComparer.Ordinal),
        ];
        entry = index < entries.Length ? entries[index] : default;
        return index < entries.Length ? ManagementResult.Done : ManagementResult.NotFound;
    }

    private bool IsDirectory(string name) => _files.Keys.Any(file => file.StartsWith(name + "/", StringComparison.Ordinal));

    private bool HasOtherCase(FolderPath path)
    {
        string name = path.ToString();
        return _files.Keys.Any(file => file.Equals(name, StringComparison.OrdinalIgnoreCase));
    }

    private sealed class Content
    {
        public byte[] Bytes { get; set; } = [];

        public ulong Version { get; set; } = 1;
    }

    private sealed class OpenContent(Content content) : IGrantedFile
    {
        public ulong Length => (ulong)content.Bytes.Length;

        public ulong Version => content.Version;

        public bool TryRead(ulong offset, Span<byte> destination, out int count)
        {
            count = (int)Math.Min((ulong)destination.Length, Length - Math.Min(offset, Length));
            if (count != 0)
                content.Bytes.AsSpan((int)offset, count).CopyTo(destination);
            return true;
        }

        public bool TryWrite(ulong offset, ReadOnlySpan<byte> source)
        {
            ulong end = offset + (ulong)source.Length;
            if (end > (ulong)Array.MaxLength)
                return false;
            if (end > Length)
            {
                byte[] longer = content.Bytes;
                Array.Resize(ref longer, (int)end);
                content.Bytes = longer;
            }

            source.CopyTo(content.Bytes.AsSpan((int)offset));
            content.Version++;
            return true;
        }

        public bool TryClear()
        {
            content.Bytes = [];
            content.Version++;
            return true;
        }

        public void Dispose()
        {
            // Nothing is held.
        }
    }
}
