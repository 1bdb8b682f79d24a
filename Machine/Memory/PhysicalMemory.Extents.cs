using Microsoft.Win32.SafeHandles;

namespace Dma.Machine;

/// <content>What is behind which addresses, and how that changes.</content>
public sealed unsafe partial class PhysicalMemory
{
    /// <summary>How many extents one memory may have, those that are elsewhere included.</summary>
    public const int ExtentsMax = 512;

    private const ulong AddressEnd = 1ul << 52;

    // Lowest address first.
    private Extent[] _extents = [];

    /// <summary>The extents, lowest address first: first byte and length in bytes. What is elsewhere is not among them.</summary>
    public IEnumerable<(PhysicalAddress Start, ulong Length)> Extents =>
        _extents.Select(extent => (new PhysicalAddress(extent.Start), extent.Length));

    /// <summary>Backs a range with zeros; pages cost memory when they are first written.</summary>
    /// <exception cref="ArgumentException">Not whole pages, beyond 2^52, or over another extent.</exception>
    public void AddRam(PhysicalAddress start, ulong length)
    {
        CheckFree(start, length);
        Add(start, NativeBlock.Anonymous(length));
    }

    /// <summary>Backs a range with content that is read and never written, as firmware is.</summary>
    /// <param name="start">The first address.</param>
    /// <param name="content">What is there, whole pages.</param>
    /// <exception cref="ArgumentException">Not whole pages, beyond 2^52, or over another extent.</exception>
    public void AddRom(PhysicalAddress start, ReadOnlySpan<byte> content)
    {
        CheckFree(start, (ulong)content.Length);
        NativeBlock block = NativeBlock.Anonymous((ulong)content.Length);
        content.CopyTo(new Span<byte>(block.Pointer, content.Length));
        Add(start, block, isReadOnly: true);
    }

    /// <summary>Backs a range with a file that other processes may map too; it is created, or grown to hold the range.</summary>
    /// <param name="start">The first byte in memory.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="path">The file.</param>
    /// <param name="fileOffset">Where the range begins in the file, whole pages.</param>
    /// <exception cref="ArgumentException">Not whole pages, beyond 2^52, or over another extent.</exception>
    /// <exception cref="IOException">The file cannot be opened or grown.</exception>
    public void AddFile(PhysicalAddress start, ulong length, string path, ulong fileOffset = 0)
    {
        CheckFree(start, length);
        if ((fileOffset & (PageBytes - 1)) != 0)
            throw new ArgumentException("A file is mapped from a whole page on.", nameof(fileOffset));
        Add(start, NativeBlock.Shared(path, fileOffset, length));
    }

    /// <summary>Backs a range with a part of an open file that other processes have too; the file is closed with the range.</summary>
    /// <remarks>Nobody must shorten the file meanwhile. Where this fails, the file stays open and its owner's.</remarks>
    /// <param name="start">The first byte in memory.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="file">The file, which is never grown.</param>
    /// <param name="fileOffset">Where the range begins in the file, whole pages.</param>
    /// <param name="isReadOnly">Whether the range is read and never written.</param>
    /// <exception cref="ArgumentException">Not whole pages, beyond 2^52, or over another extent.</exception>
    /// <exception cref="IOException">The file ends before the range does, or cannot be mapped.</exception>
    /// <exception cref="UnauthorizedAccessException">The file is not open for what is wanted.</exception>
    public void AddFile(PhysicalAddress start, ulong length, SafeFileHandle file, ulong fileOffset, bool isReadOnly = false)
    {
        CheckFree(start, length);
        if ((fileOffset & (PageBytes - 1)) != 0 || fileOffset > long.MaxValue - length)
            throw new ArgumentException("A file is mapped from a whole page on.", nameof(fileOffset));
        Add(start, NativeBlock.Shared(file, fileOffset, length, isReadOnly), isReadOnly);
    }

    /// <summary>Takes back what begins at an address, here or elsewhere: nothing answers there from now on.</summary>
    /// <remarks>Whoever remembers an address in it must have forgotten it: a remapping unit, by an invalidation.</remarks>
    /// <returns><c>false</c> where nothing begins there.</returns>
    public bool Remove(PhysicalAddress start)
    {
        int index = IndexOf(start.Value);
        if (index < 0 || _extents[index].Start != start.Value)
            return RemoveRemote(start);
        NativeBlock block = _extents[index].Block;
        _extents = [.. _extents.AsSpan(..index), .. _extents.AsSpan((index + 1)..)];
        PutLargestFirst();
        block.Dispose();
        return true;
    }

    private void CheckFree(PhysicalAddress start, ulong length)
    {
        if (length == 0 || ((start.Value | length) & (PageBytes - 1)) != 0)
            throw new ArgumentException("An extent is made of whole 4 KiB pages.");
        if (start.Value >= AddressEnd || length > AddressEnd - start.Value)
            throw new ArgumentException("Physical addresses end at 2^52.");
        if (_extents.Length + _remotes.Length == ExtentsMax)
            throw new ArgumentException($"One memory has at most {ExtentsMax} extents.");
        if (_extents.Any(other => start.Value < other.Start + other.Length && other.Start < start.Value + length)
            || _remotes.Any(other => start.Value < other.Start + other.Length && other.Start < start.Value + length))
            throw new ArgumentException($"Something is already at {start}.");
    }

    private void Add(PhysicalAddress start, NativeBlock block, bool isReadOnly = false)
    {
        Extent added = new(start.Value, block.Length, block, isReadOnly);
        _extents = [.. _extents.Where(other => other.Start < added.Start), added, .. _extents.Where(other => other.Start > added.Start)];
        PutLargestFirst();
    }

    // The quick ways write, too, so only what can be written is on them.
    private void PutLargestFirst()
    {
        _pointer = null;
        _base = _length = _valuesEnd = 0;
        foreach (ref readonly Extent extent in _extents.AsSpan())
        {
            if (extent.IsReadOnly || extent.Length <= _length)
                continue;
            _pointer = extent.Block.Pointer;
            _base = extent.Start;
            _length = extent.Length;
            _valuesEnd = _length - (ValueBytesMax - 1);
        }

        LimitWrites();
    }

    // The extent that an address is in; negative where it is in none.
    private int IndexOf(ulong address)
    {
        int low = 0;
        int high = _extents.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_extents[middle].Start + (_extents[middle].Length - 1) < address)
                low = middle + 1;
            else
                high = middle;
        }

        return low < _extents.Length && _extents[low].Start <= address ? low : -1;
    }

    private readonly record struct Extent(ulong Start, ulong Length, NativeBlock Block, bool IsReadOnly);
}
