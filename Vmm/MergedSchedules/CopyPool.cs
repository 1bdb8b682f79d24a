using System.Runtime.InteropServices;
using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Memory of the VMM in which copies of schedule structures lie, and where the controller finds it.</summary>
/// <remarks>
/// Links between structures have 32 bits, so all pools lie in one window of 4 GiB of device addresses. Each VM has a pool of its
/// own: one that links together whatever it likes takes no room from another. Slots are powers of two, so no structure straddles a page.
/// <code>
/// 0              not mapped           0010_0000h  pool 0: the VMM      0020_0000h  pool 1: the first VM      ...
/// </code>
/// </remarks>
internal sealed class CopyPool
{
    /// <summary>Bytes of a slot: any structure fits, and a setup packet behind a qTD.</summary>
    public const int SlotBytes = 128;

    private const int PageBytes = 4096;
    private const uint PoolBytes = 1 << 20;

    private readonly Host _host;
    private readonly RemappingDomain _domain;
    private readonly uint _start;
    private readonly PhysicalAddress[] _frames;
    private readonly Stack<uint> _free;
    private readonly TransferCopy?[] _transfers;

    private CopyPool(Host host, RemappingDomain domain, uint start, PhysicalAddress[] frames, int reservedPages)
    {
        (_host, _domain, _start, _frames) = (host, domain, start, frames);
        int slots = frames.Length * PageBytes / SlotBytes;
        _transfers = new TransferCopy?[slots];
        _free = new(slots);
        for (int slot = slots - 1; slot >= reservedPages * PageBytes / SlotBytes; slot--)
            _free.Push(start + (uint)(slot * SlotBytes));
    }

    /// <summary>Where it begins: pages that were reserved come first.</summary>
    public uint Start => _start;

    /// <summary>Slots that are free.</summary>
    public int Free => _free.Count;

    /// <summary>Takes memory and maps it for the controller.</summary>
    /// <param name="host">The host.</param>
    /// <param name="domain">What the controller reaches.</param>
    /// <param name="number">Which pool, from 0 on.</param>
    /// <param name="pages">How many pages, 256 at most.</param>
    /// <param name="reservedPages">How many of them hold no slots.</param>
    /// <returns><c>null</c>, and nothing taken, where the host has no memory for it.</returns>
    public static async ValueTask<CopyPool?> TryCreate(Host host, RemappingDomain domain, int number, int pages, int reservedPages = 0)
    {
        uint start = PoolBytes * (uint)(number + 1);
        List<PhysicalAddress> frames = [];
        while (frames.Count < pages && host.Frames.TryAllocate(FrameOwner.Vmm, FrameSize.Page4K, out PhysicalAddress frame))
        {
            frames.Add(frame);
            _ = host.Memory.Clear(frame, PageBytes);
            Iova at = new(start + (uint)((frames.Count - 1) * PageBytes));
            if (await domain.Map(at, new(frame.Value), PageBytes, DmaDirection.Bidirectional) == DmaRefusal.None)
                continue;
            frames.RemoveAt(frames.Count - 1);
            host.Frames.Free(FrameOwner.Vmm, frame, FrameSize.Page4K);
            break;
        }

        CopyPool pool = new(host, domain, start, [.. frames], reservedPages);
        if (frames.Count == pages)
            return pool;
        await pool.Close();
        return null;
    }

    /// <summary>Takes a slot; it is zero.</summary>
    /// <returns><c>false</c> where none is free.</returns>
    public bool TryTake(out uint address)
    {
        if (!_free.TryPop(out address))
            return false;
        _ = _host.Memory.Clear(MemoryOf(address), SlotBytes);
        return true;
    }

    /// <summary>Takes a slot for a qTD; it is inactive.</summary>
    /// <returns><c>false</c> where none is free.</returns>
    public bool TryTake(TransferCopy owner, out uint address)
    {
        if (!TryTake(out address))
            return false;
        _transfers[IndexOf(address)] = owner;
        return true;
    }

    /// <summary>Gives a slot back that the controller cannot reach any more.</summary>
    public void Return(uint address)
    {
        _transfers[IndexOf(address)] = null;
        _free.Push(address);
    }

    /// <summary>The qTD whose copy lies in a slot, or null.</summary>
    public TransferCopy? TransferAt(uint address) =>
        Contains(address) ? _transfers[IndexOf(address)] : null;

    /// <summary>Whether a slot is one of this pool.</summary>
    public bool Contains(uint address) => address - _start < (uint)_frames.Length * PageBytes;

    /// <summary>Reads a structure, or a part of one.</summary>
    public T Read<T>(uint address)
        where T : unmanaged
    {
        T value = default;
        _ = _host.Memory.TryRead(MemoryOf(address), MemoryMarshal.AsBytes(new Span<T>(ref value)));
        return value;
    }

    /// <summary>Writes a structure, or a part of one.</summary>
    public void Write<T>(uint address, in T value)
        where T : unmanaged => _ = _host.Memory.TryWrite(MemoryOf(address), MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)));

    /// <summary>Gives the memory back; the controller reaches none of it any more.</summary>
    public async ValueTask Close()
    {
        for (int page = 0; page < _frames.Length; page++)
        {
            _ = await _domain.Unmap(new(_start + (uint)(page * PageBytes)), PageBytes);
            _host.Frames.Free(FrameOwner.Vmm, _frames[page], FrameSize.Page4K);
        }
    }

    private int IndexOf(uint address) => (int)((address - _start) / SlotBytes);

    private PhysicalAddress MemoryOf(uint address) => _frames[(address - _start) / PageBytes] + (address % PageBytes);
}
