using System.Runtime.CompilerServices;

namespace Dma.Machine;

/// <summary>Reads naturally aligned quadwords of a memory one after the other, as walks of tables do.</summary>
/// <remarks>
/// What the memory knows of one extent is copied here, so that it stays in registers from one read to the next. A reader lives no longer than the walk: memory that is added or given back meanwhile is not seen.
/// </remarks>
public readonly unsafe ref struct QuadwordReader
{
    private readonly PhysicalMemory _memory;
    // Where address 0 would be: what is added to an address to reach its byte.
    private readonly byte* _origin;
    private readonly ulong _base;
    private readonly ulong _length;

    internal QuadwordReader(PhysicalMemory memory, byte* pointer, ulong start, ulong length)
    {
        _memory = memory;
        _origin = pointer - start;
        _base = start;
        _length = length;
    }

    /// <summary>Reads a quadword; <c>false</c> where it is not backed.</summary>
    /// <param name="address">A multiple of 8; low bits do not matter.</param>
    /// <param name="value">The quadword, 0 where there is none.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryRead(ulong address, out ulong value)
    {
        // An extent is made of whole pages: an aligned quadword that begins in it ends in it.
        ulong at = address & ~7ul;
        if (at - _base >= _length)
            return TryReadElsewhere(address, out value);
        value = *(ulong*)(_origin + at);
        return true;
    }

    /// <summary>Reads an entry of a table in the extent of the reader; <c>false</c> where it is not in there, though it may be backed.</summary>
    /// <param name="pointer">Bits 51:12 are those of the table's address; others do not matter.</param>
    /// <param name="index">Bits 8:0 are the number of the entry; others do not matter.</param>
    /// <param name="value">The entry, 0 where there is none.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryReadEntry(ulong pointer, ulong index, out ulong value)
    {
        // An extent is made of whole pages: a table that begins in it ends in it.
        ulong table = pointer & 0x000F_FFFF_FFFF_F000;
        if (table - _base >= _length)
        {
            value = 0;
            return false;
        }

        value = ((ulong*)(_origin + table))[index & 0x1FF];
        return true;
    }

    // A variable of its own takes the result by reference, so that the caller's stays in a register.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryReadElsewhere(ulong address, out ulong value)
    {
        bool read = _memory.TryReadElsewhere(address & ~7ul, out ulong found);
        value = found;
        return read;
    }
}
