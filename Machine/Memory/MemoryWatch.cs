namespace Dma.Machine;

/// <summary>Who is told of writes to frames that a <see cref="MemoryWatch"/> watches.</summary>
public interface IMemoryWatcher
{
    /// <summary>Bytes were written, at least one of them into a watched frame; memory holds them already.</summary>
    /// <param name="address">The first byte.</param>
    /// <param name="length">Bytes, at least one.</param>
    void Written(PhysicalAddress address, ulong length);
}

/// <summary>Frames of 4 KiB whose writes somebody wants to know of.</summary>
/// <remarks>
/// As long as it is not disposed, every write to the memory takes the slow way; without it, writes cost what they
/// always cost. Writes of other processes to a shared file are not seen.
/// </remarks>
public sealed class MemoryWatch : IDisposable
{
    private readonly PhysicalMemory _memory;
    private readonly IMemoryWatcher _watcher;
    private readonly HashSet<ulong> _frames = [];

    internal MemoryWatch(PhysicalMemory memory, IMemoryWatcher watcher) => (_memory, _watcher) = (memory, watcher);

    /// <summary>Watches the frame of an address.</summary>
    public void Add(PhysicalAddress address) => _frames.Add(address.Value >> 12);

    /// <summary>Watches the frame of an address no longer.</summary>
    public void Remove(PhysicalAddress address) => _frames.Remove(address.Value >> 12);

    /// <summary>Watches nothing any more.</summary>
    public void Dispose() => _memory.Forget(this);

    internal void Tell(PhysicalAddress address, ulong length)
    {
        if (length != 0 && Holds(address.Value >> 12, (address.Value + (length - 1)) >> 12))
            _watcher.Written(address, length);
    }

    // A long range has more frames than are watched.
    private bool Holds(ulong first, ulong last)
    {
        if (last - first >= (ulong)_frames.Count)
        {
            foreach (ulong frame in _frames)
            {
                if (frame >= first && frame <= last)
                    return true;
            }

            return false;
        }

        for (ulong frame = first; frame <= last; frame++)
        {
            if (_frames.Contains(frame))
                return true;
        }

        return false;
    }
}
