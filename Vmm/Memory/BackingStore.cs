using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Where the bytes of pages are that have no frame. A page of zeros costs nothing, and one that was never kept is one.</summary>
/// <param name="memory">The memory that pages come from and go to.</param>
public sealed class BackingStore(PhysicalMemory memory)
{
    private readonly Dictionary<ulong, byte[]> _pages = [];

    /// <summary>How many pages it holds that are not zeros.</summary>
    public int Pages => _pages.Count;

    /// <summary>Keeps what is in a frame.</summary>
    /// <param name="page">The number of the guest's page.</param>
    /// <param name="frame">Its frame, until now.</param>
    internal void Keep(ulong page, PhysicalAddress frame)
    {
        byte[] bytes = new byte[FrameSize.Page4K.Bytes];
        _ = memory.TryRead(frame, bytes);
        if (bytes.AsSpan().ContainsAnyExcept((byte)0))
            _pages.Add(page, bytes);
    }

    /// <summary>Gives back what was kept, once.</summary>
    /// <param name="page">The number of the guest's page.</param>
    /// <param name="frame">Its frame, from now on; it holds zeros.</param>
    internal void Return(ulong page, PhysicalAddress frame)
    {
        if (_pages.Remove(page, out byte[]? bytes))
            _ = memory.TryWrite(frame, bytes);
    }

    /// <summary>Forgets what is kept of a page: it holds zeros.</summary>
    internal void Forget(ulong page) => _ = _pages.Remove(page);

    /// <summary>Reads what is kept of a page.</summary>
    internal void Read(ulong page, Span<byte> destination)
    {
        if (_pages.TryGetValue(page, out byte[]? bytes))
            bytes.CopyTo(destination);
        else
            destination.Clear();
    }

    /// <summary>Forgets everything.</summary>
    internal void Clear() => _pages.Clear();
}
