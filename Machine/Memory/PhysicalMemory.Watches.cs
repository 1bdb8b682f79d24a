using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Dma.Machine;

/// <content>The slow way of writes, and who is told of them.</content>
public sealed unsafe partial class PhysicalMemory
{
    // As _length and _valuesEnd, for writes; zero while anybody watches: then no write is on the fast path.
    private ulong _writableLength;
    private ulong _writableValuesEnd;
    private MemoryWatch[] _watches = [];

    /// <summary>Somebody wants to know of writes to frames that are still to be named.</summary>
    public MemoryWatch Watch(IMemoryWatcher watcher)
    {
        MemoryWatch watch = new(this, watcher);
        _watches = [.. _watches, watch];
        LimitWrites();
        return watch;
    }

    internal void Forget(MemoryWatch watch)
    {
        _watches = [.. _watches.Where(other => other != watch)];
        LimitWrites();
    }

    // Every write that is not to the largest extent, and all of them while anybody watches.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool WriteElsewhere(PhysicalAddress address, ReadOnlySpan<byte> source)
    {
        byte* place = LocateElsewhere(address.Value, (uint)source.Length, forWriting: true);
        if (place is not null)
            source.CopyTo(new Span<byte>(place, source.Length));
        else if (!WriteAcross(address, source))
            return false;
        Tell(address, (uint)source.Length);
        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool WriteElsewhere<T>(PhysicalAddress address, T value)
        where T : unmanaged
    {
        byte* place = LocateElsewhere(address.Value, (uint)sizeof(T), forWriting: true);
        if (place is not null)
            Unsafe.WriteUnaligned(place, value);
        else if (!WriteAcross(address, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value))))
            return false;
        Tell(address, (uint)sizeof(T));
        return true;
    }

    private void LimitWrites()
    {
        _writableLength = _watches.Length == 0 ? _length : 0;
        _writableValuesEnd = _watches.Length == 0 ? _valuesEnd : 0;
    }

    private void Tell(PhysicalAddress address, ulong length)
    {
        foreach (MemoryWatch watch in _watches)
            watch.Tell(address, length);
    }
}
