using System.Buffers.Binary;
using CommunityToolkit.HighPerformance.Buffers;

namespace Dma.Machine;

/// <summary>The load segments of an ELF core file: pieces of memory with their physical addresses.</summary>
internal static class ElfCore
{
    private const ushort CoreFile = 4;
    private const uint LoadSegment = 1;
    private const int SegmentsMax = 0xFFFE;
    private const int ChunkBytes = 1 << 20;

    private readonly record struct Segment(ulong Offset, ulong Address, ulong FileBytes, ulong MemoryBytes)
    {
        public ulong FirstPage => Address & ~0xFFFul;

        public ulong EndPage => (Address + MemoryBytes + 0xFFF) & ~0xFFFul;
    }

    /// <summary>Backs what the segments cover, and fills it.</summary>
    /// <exception cref="InvalidDataException">The file is not a core file that can be read.</exception>
    public static void Load(ForwardReader reader, PhysicalMemory memory)
    {
        List<Segment> segments = ReadSegments(reader);
        if (segments.Count == 0)
            throw new InvalidDataException("the ELF file has no load segments");
        foreach ((ulong start, ulong end) in Extents(segments))
            memory.AddRam(new(start), end - start);
        using SpanOwner<byte> chunk = SpanOwner<byte>.Allocate(ChunkBytes);
        foreach (Segment segment in segments.OrderBy(segment => segment.Offset))
        {
            if (segment.FileBytes == 0)
                continue;
            reader.SkipTo(segment.Offset);
            for (ulong done = 0; done < segment.FileBytes;)
            {
                Span<byte> part = chunk.Span[..(int)Math.Min(ChunkBytes, segment.FileBytes - done)];
                reader.ReadExactly(part);
                if (part.ContainsAnyExcept((byte)0))
                    _ = memory.TryWrite(new(segment.Address + done), part);
                done += (ulong)part.Length;
            }
        }
    }

    private static List<Segment> ReadSegments(ForwardReader reader)
    {
        byte[] header = new byte[64];
        reader.ReadExactly(header.AsSpan(0, 52));
        bool wide = header[4] == 2;
        if (header[5] != 1 || header[4] is not (1 or 2) || BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(16)) != CoreFile)
            throw new InvalidDataException("the ELF file is not a little-endian core");
        if (wide)
            reader.ReadExactly(header.AsSpan(52));

        ulong at = wide ? BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(32)) : BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(28));
        int size = BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(wide ? 54 : 42));
        int count = BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(wide ? 56 : 44));
        if (size < (wide ? 56 : 32) || count > SegmentsMax)
            throw new InvalidDataException("the ELF file has program headers of an unknown kind");

        reader.SkipTo(at);
        List<Segment> segments = [];
        byte[] raw = new byte[size];
        for (int index = 0; index < count; index++)
        {
            reader.ReadExactly(raw);
            if (BinaryPrimitives.ReadUInt32LittleEndian(raw) != LoadSegment)
                continue;
            Segment segment = wide ? ReadWide(raw) : ReadNarrow(raw);

            // A segment without a physical address says so by all ones.
            if (segment.MemoryBytes == 0 || segment.Address == (wide ? ulong.MaxValue : uint.MaxValue))
                continue;
            if (segment.FileBytes > segment.MemoryBytes || segment.Address >= 1ul << 52 || segment.MemoryBytes > (1ul << 52) - segment.Address)
                throw new InvalidDataException("the ELF file has a segment that ends beyond 2^52");
            segments.Add(segment);
        }

        return segments;
    }

    private static Segment ReadWide(ReadOnlySpan<byte> raw) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(raw[8..]),
        BinaryPrimitives.ReadUInt64LittleEndian(raw[24..]),
        BinaryPrimitives.ReadUInt64LittleEndian(raw[32..]),
        BinaryPrimitives.ReadUInt64LittleEndian(raw[40..]));

    private static Segment ReadNarrow(ReadOnlySpan<byte> raw) => new(
        BinaryPrimitives.ReadUInt32LittleEndian(raw[4..]),
        BinaryPrimitives.ReadUInt32LittleEndian(raw[12..]),
        BinaryPrimitives.ReadUInt32LittleEndian(raw[16..]),
        BinaryPrimitives.ReadUInt32LittleEndian(raw[20..]));

    // Whole pages, without overlaps; where there are more pieces than memory takes, the smallest gaps are closed with zeros.
    private static List<(ulong Start, ulong End)> Extents(List<Segment> segments)
    {
        List<(ulong Start, ulong End)> extents = [];
        foreach (Segment segment in segments.OrderBy(segment => segment.Address))
        {
            if (extents.Count != 0 && segment.FirstPage <= extents[^1].End)
                extents[^1] = (extents[^1].Start, Math.Max(extents[^1].End, segment.EndPage));
            else
                extents.Add((segment.FirstPage, segment.EndPage));
        }

        while (extents.Count > PhysicalMemory.ExtentsMax)
        {
            int closest = Enumerable.Range(0, extents.Count - 1).MinBy(index => extents[index + 1].Start - extents[index].End);
            extents[closest] = (extents[closest].Start, extents[closest + 1].End);
            extents.RemoveAt(closest + 1);
        }

        return extents;
    }
}
