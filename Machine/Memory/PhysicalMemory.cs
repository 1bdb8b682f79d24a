using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Dma.Machine;

/// <summary>The memory behind the host's bus: a few extents in a sparse address space, bytes little-endian.</summary>
/// <remarks>
/// Every access is checked against the extents before a byte moves; where nothing is backed the answer is
/// <c>false</c> and nothing changed. The largest extent is looked at first, so that an access to ordinary
/// memory costs one comparison. A naturally aligned value of up to eight bytes is read and written as a whole,
/// also toward another process that shares a file mapping. A memory that is used keeps its blocks alive.
/// </remarks>
public sealed unsafe partial class PhysicalMemory : IDisposable
{
    private const int ValueBytesMax = 64;
    private const ulong PageBytes = 4096;

    private byte* _pointer;
    private ulong _base;
    private ulong _length;

    // Below this offset a value of up to ValueBytesMax bytes lies whole in the largest extent.
    private ulong _valuesEnd;

    /// <summary>Memory that has nothing behind it yet.</summary>
    public PhysicalMemory()
    {
        if (!BitConverter.IsLittleEndian)
            throw new PlatformNotSupportedException("Simulated memory is little-endian, and so must be the machine below.");
    }

    /// <summary>Memory with one extent of zeros from address 0.</summary>
    /// <param name="length">Bytes, a multiple of 4096.</param>
    public PhysicalMemory(ulong length)
        : this() => AddRam(new(0), length);

    /// <summary>Whether every byte of a range is backed. An empty range is backed where its address is.</summary>
    public bool IsBacked(PhysicalAddress address, ulong length) => IsBacked(address, length, forWriting: false);

    private bool IsBacked(PhysicalAddress address, ulong length, bool forWriting)
    {
        ulong at = address.Value;
        ulong left = Math.Max(length, 1);
        while (left != 0)
        {
            byte* place = LocateExtent(at, forWriting, out ulong available);
            if (place is null)
                return false;
            ulong step = Math.Min(left, available);
            left -= step;
            at += step;
        }

        return true;
    }

    /// <summary>Copies bytes out of memory; <c>false</c>, and the destination untouched, where not all are backed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryRead(PhysicalAddress address, Span<byte> destination)
    {
        byte* place = Locate(address.Value, (uint)destination.Length);
        if (place is null)
            return ReadAcross(address, destination);
        new ReadOnlySpan<byte>(place, destination.Length).CopyTo(destination);
        GC.KeepAlive(this);
        return true;
    }

    /// <summary>Copies bytes into memory; <c>false</c>, and memory untouched, where not all are backed and writable.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryWrite(PhysicalAddress address, ReadOnlySpan<byte> source)
    {
        ulong offset = address.Value - _base;
        if (offset >= _writableLength || (uint)source.Length > _writableLength - offset)
            return WriteElsewhere(address, source);
        source.CopyTo(new Span<byte>(_pointer + offset, source.Length));
        GC.KeepAlive(this);
        return true;
    }

    /// <summary>Reads one value; <c>false</c> where it is not backed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    [SkipLocalsInit]
    public bool TryRead<T>(PhysicalAddress address, out T value)
        where T : unmanaged
    {
        ulong offset = address.Value - _base;
        if (offset < _valuesEnd && sizeof(T) <= ValueBytesMax)
        {
            value = Unsafe.ReadUnaligned<T>(_pointer + offset);
            return true;
        }

        // A variable of its own: one whose address leaves the method would be kept in memory on the fast path too.
        bool found = ReadElsewhere(address, out T elsewhere);
        value = elsewhere;
        return found;
    }

    /// <summary>A reader for the quadwords of one walk in the largest extent.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public QuadwordReader ReadQuadwords() => new(this, _pointer, _base, _length);

    /// <summary>A reader for the quadwords of one walk.</summary>
    /// <param name="near">Where the walk begins: reads in the same extent are the quickest.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public QuadwordReader ReadQuadwords(PhysicalAddress near) =>
        near.Value - _base < _length ? new(this, _pointer, _base, _length) : ReadQuadwordsElsewhere(near);

    /// <summary>Writes one value; <c>false</c>, and memory untouched, where it is not backed and writable.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryWrite<T>(PhysicalAddress address, T value)
        where T : unmanaged
    {
        ulong offset = address.Value - _base;
        if (offset >= _writableValuesEnd || sizeof(T) > ValueBytesMax)
            return WriteElsewhere(address, value);
        Unsafe.WriteUnaligned(_pointer + offset, value);
        return true;
    }

    /// <summary>Replaces a naturally aligned quadword if it still holds what is expected, atomically toward other processes.</summary>
    /// <param name="address">A multiple of 8.</param>
    /// <param name="expected">What must be there.</param>
    /// <param name="replacement">What is put there.</param>
    /// <param name="found">What was there; the exchange happened where it equals <paramref name="expected"/>.</param>
    /// <returns><c>false</c> where the quadword is not aligned, not backed or not writable.</returns>
    public bool TryCompareExchange(PhysicalAddress address, ulong expected, ulong replacement, out ulong found)
    {
        byte* place = (address.Value & 7) == 0 ? Locate(address.Value, sizeof(ulong), forWriting: true) : null;
        if (place is null)
            return ExchangeRemote(address, expected, replacement, out found);
        found = Interlocked.CompareExchange(ref *(ulong*)place, replacement, expected);
        GC.KeepAlive(this);
        if (_watches.Length != 0 && found == expected)
            Tell(address, sizeof(ulong));
        return true;
    }

    /// <summary>Fills a range with zeros; large ranges of whole pages cost no memory afterwards until they are touched.</summary>
    /// <returns><c>false</c>, and memory untouched, where not all is backed and writable.</returns>
    public bool Clear(PhysicalAddress address, ulong length)
    {
        if (!IsBacked(address, length, forWriting: true))
            return false;
        foreach ((Extent extent, ulong offset, ulong count) in Overlaps(address, length))
            extent.Block.Clear(offset, count);
        Tell(address, length);
        return true;
    }

    /// <summary>Bytes of a range of whole 4 KiB pages that cost memory of the machine below; what is not backed costs none.</summary>
    /// <remarks>A measurement: it takes time in proportion to the range. Where the system does not tell, backed is resident.</remarks>
    public ulong ResidentBytes(PhysicalAddress address, ulong length)
    {
        ulong resident = 0;
        foreach ((Extent extent, ulong offset, ulong count) in Overlaps(address, length))
            resident += extent.Block.ResidentBytes(offset, count);
        return resident;
    }

    /// <summary>The runs of pages within a range that may hold anything but zeros; all other backed pages are zeros that cost nothing.</summary>
    /// <remarks>
    /// Finding them touches no page. It is exact to the page on Linux; elsewhere every backed page may hold something.
    /// The runs come in ascending order and are clipped to the range.
    /// </remarks>
    /// <param name="address">The first byte.</param>
    /// <param name="length">Bytes.</param>
    public IEnumerable<(PhysicalAddress Start, ulong Length)> Populated(PhysicalAddress address, ulong length)
    {
        foreach ((Extent extent, ulong offset, ulong count) in Overlaps(address, length))
        {
            ulong firstPage = offset & ~(PageBytes - 1);
            ulong endPage = (offset + count + PageBytes - 1) & ~(PageBytes - 1);
            foreach ((ulong runOffset, ulong runLength) in extent.Block.Populated(firstPage, endPage - firstPage))
            {
                ulong first = Math.Max(offset, runOffset);
                ulong end = Math.Min(offset + count, runOffset + runLength);
                yield return (new(extent.Start + first), end - first);
            }
        }
    }

    /// <summary>Gives the memory back. Using it afterwards finds nothing backed.</summary>
    public void Dispose()
    {
        _pointer = null;
        _base = _length = _valuesEnd = _writableLength = _writableValuesEnd = 0;
        foreach (Extent extent in _extents)
            extent.Block.Dispose();
        _extents = [];
        _remotes = [];
    }

    /// <summary>The place of a range that lies in one extent, or null.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private byte* Locate(ulong address, uint length, bool forWriting = false)
    {
        // Below the base the difference wraps to a huge number, which no extent is long enough for.
        ulong offset = address - _base;
        return offset < _length && length <= _length - offset ? _pointer + offset : LocateElsewhere(address, length, forWriting);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private QuadwordReader ReadQuadwordsElsewhere(PhysicalAddress near)
    {
        int index = IndexOf(near.Value);
        if (index < 0)
            return new(this, _pointer, _base, _length);
        ref readonly Extent extent = ref _extents[index];
        return new(this, extent.Block.Pointer, extent.Start, extent.Length);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal bool TryReadElsewhere(ulong address, out ulong value) => TryRead(new PhysicalAddress(address), out value);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private byte* LocateElsewhere(ulong address, uint length, bool forWriting)
    {
        byte* place = LocateExtent(address, forWriting, out ulong available);
        return length <= available ? place : null;
    }

    private byte* LocateExtent(ulong address, bool forWriting, out ulong available)
    {
        int index = IndexOf(address);
        if (index < 0 || (forWriting && _extents[index].IsReadOnly))
        {
            available = 0;
            return null;
        }

        ref readonly Extent extent = ref _extents[index];
        available = extent.Length - (address - extent.Start);
        return extent.Block.Pointer + (address - extent.Start);
    }

    // The parts of a range that extents back.
    private IEnumerable<(Extent Extent, ulong Offset, ulong Count)> Overlaps(PhysicalAddress address, ulong length)
    {
        ulong rangeEnd = address.Value + Math.Min(length, ulong.MaxValue - address.Value);
        foreach (Extent extent in _extents)
        {
            ulong first = Math.Max(address.Value, extent.Start);
            ulong end = Math.Min(rangeEnd, extent.Start + extent.Length);
            if (first < end)
                yield return (extent, first - extent.Start, end - first);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool ReadAcross(PhysicalAddress address, Span<byte> destination)
    {
        if (!IsBacked(address, (ulong)destination.Length))
            return ReadRemote(address, destination);
        for (int done = 0; done < destination.Length;)
        {
            byte* place = LocateExtent(address.Value + (ulong)done, forWriting: false, out ulong available);
            int step = (int)Math.Min((ulong)(destination.Length - done), available);
            new ReadOnlySpan<byte>(place, step).CopyTo(destination[done..]);
            done += step;
        }

        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool ReadElsewhere<T>(PhysicalAddress address, out T value)
        where T : unmanaged
    {
        byte* place = LocateElsewhere(address.Value, (uint)sizeof(T), forWriting: false);
        if (place is not null)
        {
            value = Unsafe.ReadUnaligned<T>(place);
            return true;
        }

        value = default;
        return ReadAcross(address, MemoryMarshal.AsBytes(new Span<T>(ref value)));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool WriteAcross(PhysicalAddress address, ReadOnlySpan<byte> source)
    {
        if (!IsBacked(address, (ulong)source.Length, forWriting: true))
            return WriteRemote(address, source);
        for (int done = 0; done < source.Length;)
        {
            byte* place = LocateExtent(address.Value + (ulong)done, forWriting: true, out ulong available);
            int step = (int)Math.Min((ulong)(source.Length - done), available);
            source.Slice(done, step).CopyTo(new Span<byte>(place, step));
            done += step;
        }

        return true;
    }
}
