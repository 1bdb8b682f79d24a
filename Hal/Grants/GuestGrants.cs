using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>A guest's grant table: which pages of its memory it lets the host use.</summary>
/// <remarks>
/// Granting costs no hypercall: both sides see the table. The guest may take a grant back only while the host does not use
/// the page; the host marks that in the entry.
/// </remarks>
public sealed class GuestGrants
{
    /// <summary>The most pages that a table can have.</summary>
    public const int PagesMax = 64;

    private const ushort Host = 0;

    private readonly IHypercallGate _gate;
    private readonly FrameAllocator _frames;
    private readonly MemoryBuffer _table;
    private readonly FreeBitmap _free;
    private bool _isClosed;

    private GuestGrants(IHypercallGate gate, FrameAllocator frames, MemoryBuffer table)
    {
        (_gate, _frames, _table) = (gate, frames, table);
        _free = new((ulong)(table.Length / GrantEntry.Size));

        // Grant 0 is kept back, so that an entry that was never filled in is found out.
        _free.Take(0, 1);
    }

    /// <summary>How many grants can still be made.</summary>
    public ulong Free => _free.Free;

    /// <summary>Makes a table and tells the host where it lies.</summary>
    /// <param name="cpu">The processor.</param>
    /// <param name="gate">The way to the VMM.</param>
    /// <param name="frames">Where the table lies.</param>
    /// <param name="pages">How long it is, 1 to <see cref="PagesMax"/>: 512 grants for each page.</param>
    /// <exception cref="InvalidOperationException">Memory is used up, or the VMM does not take it.</exception>
    public static async ValueTask<GuestGrants> Share(ICpu cpu, IHypercallGate gate, FrameAllocator frames, int pages)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)pages - 1, (uint)PagesMax - 1, nameof(pages));
        if (!frames.TryAllocate((ulong)pages, FrameAllocator.FrameSize, out GuestPhysicalAddress first))
            throw new InvalidOperationException($"No {pages} free frames side by side.");
        MemoryBuffer table = new(cpu, first, pages * FrameAllocator.FrameSize);
        table.Write(0, new byte[table.Length]);
        HypercallResult result = await gate.Call(Hypercall.ShareGrants, first.Value, (ulong)pages);
        if (result.Refusal == DmaRefusal.None)
            return new(gate, frames, table);
        frames.Free(first, (ulong)pages);
        throw new InvalidOperationException($"The VMM takes no grant table: {result.Refusal}.");
    }

    /// <summary>Lets the host use pages that lie side by side, by grants with numbers that follow each other.</summary>
    /// <param name="page">The number of the first page.</param>
    /// <param name="count">Pages, at least 1.</param>
    /// <param name="isReadOnly">Whether the host may only read them.</param>
    /// <param name="first">The number of the first grant.</param>
    /// <returns><c>false</c>, and nothing granted, where not so many are free in a row.</returns>
    public bool TryGrant(ulong page, int count, bool isReadOnly, out uint first)
    {
        bool found = _free.TryTake((ulong)count, 1, 0, out ulong index);
        first = (uint)index;
        if (_isClosed || !found)
            return false;
        for (int done = 0; done < count; done++)
        {
            Write(first + (uint)done, new()
            {
                Type = GrantType.PermitAccess,
                IsReadOnly = isReadOnly,
                Domain = Host,
                Frame = (uint)(page + (ulong)done),
            });
        }

        return true;
    }

    /// <summary>Takes grants back.</summary>
    /// <param name="first">The number of the first one.</param>
    /// <param name="count">How many.</param>
    /// <returns><c>false</c>, and nothing changed, where the host uses one of the pages.</returns>
    /// <exception cref="InvalidOperationException">One of them was not made; nothing changed.</exception>
    public bool TryRevoke(uint first, int count)
    {
        if (first == 0 || !_free.All(first, (ulong)count, free: false))
            throw new InvalidOperationException($"Of {count} grants from {first} not all were made.");
        for (int done = 0; done < count; done++)
        {
            GrantEntry entry = Read(first + (uint)done);
            if (entry.IsRead || entry.IsWritten)
                return false;
        }

        for (int done = 0; done < count; done++)
            Write(first + (uint)done, default);
        _free.Release(first, (ulong)count);
        return true;
    }

    /// <summary>Has no table any more, and gives its memory back. Grants that are left mean nothing from then on, and can be taken back all the same.</summary>
    /// <returns><c>false</c>, and nothing changed, where the host still uses a page.</returns>
    public async ValueTask<bool> Close()
    {
        if ((await _gate.Call(Hypercall.ShareGrants)).Refusal != DmaRefusal.None)
            return false;
        _isClosed = true;
        _frames.Free(_table.Address, (ulong)(_table.Length / FrameAllocator.FrameSize));
        return true;
    }

    private GrantEntry Read(uint grant)
    {
        if (_isClosed)
            return default;
        Span<byte> bytes = stackalloc byte[GrantEntry.Size];
        _table.Read((int)grant * GrantEntry.Size, bytes);
        return new(new(BitConverter.ToUInt64(bytes)));
    }

    private void Write(uint grant, GrantEntry entry)
    {
        if (_isClosed)
            return;
        Span<byte> bytes = stackalloc byte[GrantEntry.Size];
        BitConverter.TryWriteBytes(bytes, entry.Raw.Value);
        _table.Write((int)grant * GrantEntry.Size, bytes);
    }
}
