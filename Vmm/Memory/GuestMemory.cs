using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The memory of one VM: frames of the host, and the EPT tables that put them at guest-physical addresses.</summary>
/// <remarks>
/// All memory is given and mapped when the VM begins, by the largest pages that fit; a page that nobody touches still
/// costs no memory of the machine below; pages may move and be swapped out afterwards, see <see cref="PageMover"/>. Or
/// memory comes page by page, when it is touched: see <see cref="LazyMemory"/>.
/// </remarks>
public sealed class GuestMemory
{
    private readonly FrameTable _frames;
    private bool _isReleased;

    private GuestMemory(FrameTable frames, EptTables tables, FrameOwner owner, ulong bytes, int? framesMax)
    {
        (_frames, Tables, Owner, Bytes, Store) = (frames, tables, owner, bytes, new(frames.Memory));
        Lazy = framesMax is { } most ? new(frames, this, Store, most) : null;
        Swap = new(frames, this, Store);
    }

    /// <summary>The tables; register pages of devices are mapped by them too.</summary>
    public EptTables Tables { get; }

    /// <summary>Whose memory it is.</summary>
    public FrameOwner Owner { get; }

    /// <summary>How much memory there is.</summary>
    public ulong Bytes { get; }

    /// <summary>What gives pages their frames when they are touched; null where all have one from the beginning.</summary>
    public LazyMemory? Lazy { get; }

    /// <summary>What brings pages back that were swapped out, of memory that had all its frames at the beginning.</summary>
    public PageSwap Swap { get; }

    /// <summary>What pages hold that have no frame.</summary>
    public BackingStore Store { get; }

    /// <summary>Which pages were written while somebody wants to know; null otherwise.</summary>
    public DirtyLog? DirtyLog { get; internal set; }

    /// <summary>Pages into which the VMM does the stores of the VM's processor, since it has to know of them.</summary>
    internal List<StorePages> StorePages { get; } = [];

    /// <summary>Who shows which frame of it to software of the host.</summary>
    internal ReverseMap Windows { get; } = new();

    /// <summary>The blocks of which it is made now, lowest guest address first, as EPT has them; none where memory comes when it is touched.</summary>
    public IReadOnlyList<(GuestPhysicalAddress Guest, PhysicalAddress Host, FrameSize Size)> Blocks => Lazy is null ? [.. Mapped()] : [];

    /// <summary>Takes memory from the host; <c>null</c>, and nothing taken, where there is not enough.</summary>
    /// <param name="frames">The frames of the host.</param>
    /// <param name="owner">For whom.</param>
    /// <param name="bytes">How much, a multiple of 4096, at least 4096.</param>
    public static GuestMemory? TryCreate(FrameTable frames, FrameOwner owner, ulong bytes)
    {
        if (bytes == 0 || !FrameSize.Page4K.IsAligned(bytes))
            throw new ArgumentOutOfRangeException(nameof(bytes), "Memory is made of whole 4 KiB pages.");
        if (EptTables.TryCreate(frames) is not { } tables)
            return null;
        GuestMemory memory = new(frames, tables, owner, bytes, framesMax: null);
        foreach ((ulong start, ulong length) in MemoryLayout.Memory(bytes))
        {
            for (ulong at = start; at < start + length;)
            {
                if (memory.TryAdd(new(at), start + length - at) is not { } size)
                {
                    memory.Release();
                    return null;
                }

                at += size.Bytes;
            }
        }

        return memory;
    }

    /// <summary>Memory whose pages come when they are touched; <c>null</c> where the host has no frame for its first table.</summary>
    /// <param name="frames">The frames of the host.</param>
    /// <param name="owner">For whom.</param>
    /// <param name="bytes">How much, a multiple of 4096, at least 4096.</param>
    /// <param name="framesMax">How many frames it may have at a time, <see cref="LazyMemory.FramesMin"/> at least.</param>
    public static GuestMemory? TryCreateLazy(FrameTable frames, FrameOwner owner, ulong bytes, int framesMax)
    {
        if (bytes == 0 || !FrameSize.Page4K.IsAligned(bytes))
            throw new ArgumentOutOfRangeException(nameof(bytes), "Memory is made of whole 4 KiB pages.");
        ArgumentOutOfRangeException.ThrowIfLessThan(framesMax, LazyMemory.FramesMin);
        return EptTables.TryCreate(frames) is { } tables ? new(frames, tables, owner, bytes, framesMax) : null;
    }

    /// <summary>Whether a range is memory in every byte; an empty range, and one that wraps, is not.</summary>
    public static bool Contains(ulong bytes, GuestPhysicalAddress start, ulong length)
    {
        if (length == 0 || length - 1 > ulong.MaxValue - start.Value)
            return false;
        ulong last = start.Value + length - 1;
        ulong high = bytes - Math.Min(bytes, MemoryLayout.LowMemoryEnd);
        return last < bytes - high || (start.Value >= MemoryLayout.HighMemoryStart && last - MemoryLayout.HighMemoryStart < high);
    }

    /// <summary>Whether a range is memory of this VM in every byte; an empty range, and one that wraps, is not.</summary>
    public bool Contains(GuestPhysicalAddress start, ulong length) => Contains(Bytes, start, length);

    /// <summary>Whether some byte of a range is memory of this VM.</summary>
    /// <param name="start">The first guest-physical byte.</param>
    /// <param name="length">Bytes; the range does not wrap.</param>
    public bool Overlaps(ulong start, ulong length) =>
        MemoryLayout.Memory(Bytes).Any(range => range.Start < start + length && start < range.Start + range.Length);

    /// <summary>Reads what pages hold, with a frame or without, and leaves no trace of it.</summary>
    /// <param name="page">The first byte of a page of memory.</param>
    /// <param name="destination">4096 bytes.</param>
    public void Peek(GuestPhysicalAddress page, Span<byte> destination)
    {
        EptWalkResult found = Tables.Walk(page, EptRights.Read);
        if (found.Outcome == EptOutcome.Mapped)
            _ = _frames.Memory.TryRead(found.Address, destination);
        else
            Store.Read(page.Page, destination);
    }

    /// <summary>Gives the frames and the tables back.</summary>
    public void Release()
    {
        (GuestPhysicalAddress, PhysicalAddress Host, FrameSize Size)[] blocks = [.. Blocks];
        _isReleased = true;
        Tables.Release();
        Lazy?.Release();
        foreach ((_, PhysicalAddress host, FrameSize size) in blocks)
            _frames.Free(Owner, host, size);
        Store.Clear();
    }

    /// <summary>Sees to it that a page can be accessed in every way: brings it in, or lifts the protection of one on its way.</summary>
    /// <returns><c>false</c> where the address is no memory, or no frame can be had.</returns>
    internal bool TryReach(GuestPhysicalAddress address)
    {
        if (_isReleased || !IsMemory(address))
            return false;
        GuestPhysicalAddress page = new(address.Value & ~(FrameSize.Page4K.Bytes - 1));
        EptWalkResult found = Tables.Walk(page, EptRights.None);
        if (found.Outcome != EptOutcome.Mapped)
            return Lazy is { } lazy ? lazy.TryPageIn(page, out _) : Swap.TryBringIn(page);
        if ((found.Rights & EptRights.Write) == 0 && StoresInto(page) is null)
            Tables.Change(page, found.Address, EptRights.All);
        return true;
    }

    /// <summary>The frame of a page, which comes in where it is out; null where it is no memory, or none can be had.</summary>
    /// <param name="page">The first byte of the page; it may be any.</param>
    internal PhysicalAddress? FindFrame(GuestPhysicalAddress page)
    {
        if (!Contains(page, FrameSize.Page4K.Bytes) || !TryReach(page))
            return null;
        EptWalkResult found = Tables.Walk(page, EptRights.ReadWrite);
        return found.Outcome == EptOutcome.Mapped ? found.Address : null;
    }

    /// <summary>Who has to know of stores into a page; null where nobody does.</summary>
    internal StorePages? StoresInto(GuestPhysicalAddress address)
    {
        foreach (StorePages pages in StorePages)
        {
            if (pages.Contains(address))
                return pages;
        }

        return null;
    }

    /// <summary>Protects a page from the processor of the VM, or lifts that; a page that cannot be had alone stays as it is.</summary>
    internal void Protect(GuestPhysicalAddress page, bool isProtected)
    {
        if (_isReleased || !Tables.TrySplit(page))
            return;
        EptWalkResult found = Tables.Walk(page, EptRights.None);
        if (found.Outcome == EptOutcome.Mapped)
            Tables.Change(page, found.Address, isProtected ? EptRights.All & ~EptRights.Write : EptRights.All);
    }

    /// <summary>Takes the frame of a page away that nobody has pinned and no device reaches.</summary>
    internal void TakeOut(GuestPhysicalAddress page, PhysicalAddress frame)
    {
        if (Lazy is { } lazy)
            lazy.PageOut(page);
        else
            Swap.TakeOut(page, frame);
    }

    /// <summary>Sees to it that a frame can leave its page: windows that show it lose it.</summary>
    /// <returns><c>false</c> where it is pinned for a device, or for a transfer of the host that runs.</returns>
    internal bool TryLoosen(PhysicalAddress frame)
    {
        if (_frames.PinsOf(frame) != 0)
            Windows.Invalidate(frame);
        return _frames.PinsOf(frame) == 0;
    }

    /// <summary>What EPT maps of the memory now, lowest guest address first.</summary>
    internal IEnumerable<(GuestPhysicalAddress Guest, PhysicalAddress Host, FrameSize Size)> Mapped()
    {
        foreach ((ulong start, ulong length) in MemoryLayout.Memory(Bytes))
        {
            for (ulong at = start; at < start + length;)
            {
                EptWalkResult found = Tables.Walk(new(at), EptRights.None);
                FrameSize size = (FrameSize)(12 + (9 * (Math.Clamp(found.Level, 1, 3) - 1)));
                if (found.Outcome == EptOutcome.Mapped)
                    yield return (new(at), found.Address, size);
                at = (at & ~(size.Bytes - 1)) + size.Bytes;
            }
        }
    }

    private bool IsMemory(GuestPhysicalAddress address) => address.Value < MemoryLayout.LowMemoryEnd
        ? address.Value < Bytes
        : Bytes > MemoryLayout.LowMemoryEnd && address.Value - MemoryLayout.HighMemoryStart < Bytes - MemoryLayout.LowMemoryEnd;

    private FrameSize? TryAdd(GuestPhysicalAddress at, ulong left)
    {
        foreach (FrameSize size in (ReadOnlySpan<FrameSize>)[FrameSize.Page1G, FrameSize.Page2M, FrameSize.Page4K])
        {
            if (size.Bytes > left || !size.IsAligned(at.Value) || !_frames.TryAllocate(Owner, size, out PhysicalAddress host))
                continue;
            if (!Tables.TryMap(at, host, size, EptRights.All, EptMemoryType.WriteBack))
            {
                _frames.Free(Owner, host, size);
                return null;
            }

            return size;
        }

        return null;
    }
}
