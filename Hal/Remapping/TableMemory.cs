using System.Buffers.Binary;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>The memory that a unit reads: root, context and page tables, and its queue.</summary>
/// <remarks>
/// Entries of 64 bits are written in one store, and wider ones so that the unit never sees a present entry that is half
/// written. Where the unit does not snoop the processor's caches (ECAP.C clear), every store is followed by a flush of
/// its cache line; the model has no caches that could hold it back, so the flush is counted here and does nothing else.
/// </remarks>
/// <param name="cpu">The processor that writes.</param>
/// <param name="frames">Where tables come from.</param>
/// <param name="isCoherent">Whether the unit snoops.</param>
internal sealed class TableMemory(ICpu cpu, FrameAllocator frames, bool isCoherent)
{
    private const int TableSize = FrameAllocator.FrameSize;
    private const int CacheLine = 64;

    private static readonly byte[] _zeros = new byte[TableSize];

    /// <summary>How many cache lines were flushed for a unit that does not snoop.</summary>
    public ulong LinesFlushed { get; private set; }

    /// <summary>How many frames are in use.</summary>
    public int FramesInUse { get; private set; }

    /// <summary>The address of a table as it stands in entries and registers.</summary>
    /// <remarks>What this software believes to be physical is what its unit uses; a unit that a VMM imitates translates it once more.</remarks>
    public static PhysicalAddress ForUnit(GuestPhysicalAddress address) => new(address.Value);

    /// <summary>The table that an entry points to.</summary>
    public static GuestPhysicalAddress FromUnit(PhysicalAddress address) => new(address.Value);

    /// <summary>A frame of zeros; <c>false</c> when none is left.</summary>
    public bool TryAllocate(out GuestPhysicalAddress table) => TryAllocate(1, out table);

    /// <summary>Frames of zeros that lie side by side; <c>false</c> when no such stretch is left.</summary>
    public bool TryAllocate(ulong count, out GuestPhysicalAddress table)
    {
        if (!frames.TryAllocate(count, TableSize, out table))
            return false;
        FramesInUse += (int)count;
        try
        {
            for (ulong frame = 0; frame < count; frame++)
                Write(table + (frame * TableSize), _zeros);
        }
        catch
        {
            Free(table, count);
            throw;
        }

        return true;
    }

    /// <summary>Writes an entry that leads to a table which nothing led to; where the write does not happen, the table goes back.</summary>
    /// <param name="place">Where the entry is.</param>
    /// <param name="entry">The entry, whose present bits are in its first word.</param>
    /// <param name="table">The table, one frame.</param>
    public void WriteLink(GuestPhysicalAddress place, Bits128 entry, GuestPhysicalAddress table)
    {
        try
        {
            WriteEntry(place, entry);
        }
        catch
        {
            Free(table);
            throw;
        }
    }

    /// <inheritdoc cref="WriteLink(GuestPhysicalAddress, Bits128, GuestPhysicalAddress)"/>
    public void WriteLink(GuestPhysicalAddress place, ulong entry, GuestPhysicalAddress table)
    {
        try
        {
            Write64(place, entry);
        }
        catch
        {
            Free(table);
            throw;
        }
    }

    /// <summary>Gives frames back; the unit must not be able to reach them any more.</summary>
    public void Free(GuestPhysicalAddress table, ulong count = 1)
    {
        frames.Free(table, count);
        FramesInUse -= (int)count;
    }

    public ulong Read64(GuestPhysicalAddress address)
    {
        Span<byte> bytes = stackalloc byte[8];
        Read(address, bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    public uint Read32(GuestPhysicalAddress address)
    {
        Span<byte> bytes = stackalloc byte[4];
        Read(address, bytes);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    public Bits128 Read128(GuestPhysicalAddress address) => new(Read64(address), Read64(address + 8));

    public void Write64(GuestPhysicalAddress address, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        Write(address, bytes);
    }

    public void Write128(GuestPhysicalAddress address, Bits128 value)
    {
        Write64(address, value.Word0);
        Write64(address + 8, value.Word1);
    }

    public Bits256 Read256(GuestPhysicalAddress address)
    {
        Bits128 low = Read128(address), high = Read128(address + 16);
        return new(low.Word0, low.Word1, high.Word0, high.Word1);
    }

    public Bits512 Read512(GuestPhysicalAddress address)
    {
        Bits128 word0 = Read128(address), word2 = Read128(address + 16), word4 = Read128(address + 32), word6 = Read128(address + 48);
        return new(word0.Word0, word0.Word1, word2.Word0, word2.Word1, word4.Word0, word4.Word1, word6.Word0, word6.Word1);
    }

    /// <summary>Writes an entry whose present bit is bit 0: that word last when it is set, first when it is cleared.</summary>
    public void WriteEntry(GuestPhysicalAddress address, Bits128 entry) => WriteEntry(address, [entry.Word0, entry.Word1]);

    /// <inheritdoc cref="WriteEntry(GuestPhysicalAddress, Bits128)"/>
    public void WriteEntry(GuestPhysicalAddress address, Bits256 entry) =>
        WriteEntry(address, [entry.Word0, entry.Word1, entry.Word2, entry.Word3]);

    /// <inheritdoc cref="WriteEntry(GuestPhysicalAddress, Bits128)"/>
    public void WriteEntry(GuestPhysicalAddress address, Bits512 entry) =>
        WriteEntry(address, [entry.Word0, entry.Word1, entry.Word2, entry.Word3, entry.Word4, entry.Word5, entry.Word6, entry.Word7]);

    /// <summary>Replaces an entry that the unit may be reading, both halves in one store, as a compare-exchange of 16 bytes does.</summary>
    public void ReplaceEntry(GuestPhysicalAddress address, Bits128 entry)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, entry.Word0);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], entry.Word1);
        Write(address, bytes);
    }

    /// <summary>Whether a table of 64-bit entries holds zeros alone.</summary>
    public bool IsEmpty(GuestPhysicalAddress table)
    {
        const int Piece = 512;
        Span<byte> bytes = stackalloc byte[Piece];
        for (int offset = 0; offset < TableSize; offset += Piece)
        {
            Read(table + (ulong)offset, bytes);
            if (bytes.ContainsAnyExcept((byte)0))
                return false;
        }

        return true;
    }

    private void WriteEntry(GuestPhysicalAddress address, ReadOnlySpan<ulong> words)
    {
        bool isPresent = (words[0] & 1) != 0;
        if (!isPresent)
            Write64(address, words[0]);
        for (int word = 1; word < words.Length; word++)
            Write64(address + (ulong)(word * sizeof(ulong)), words[word]);
        if (isPresent)
            Write64(address, words[0]);
    }

    private void Read(GuestPhysicalAddress address, Span<byte> destination)
    {
        if (!cpu.TryRead(address, destination))
            throw NoMemory(address);
    }

    private void Write(GuestPhysicalAddress address, ReadOnlySpan<byte> source)
    {
        if (!cpu.TryWrite(address, source))
            throw NoMemory(address);
        if (!isCoherent)
            LinesFlushed += (ulong)((source.Length + CacheLine - 1) / CacheLine);
    }

    private static InvalidOperationException NoMemory(GuestPhysicalAddress address) =>
        new($"A table lies at {address}, which is no memory: the frame allocator names what is not there.");
}
