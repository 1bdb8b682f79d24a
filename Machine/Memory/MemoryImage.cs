using System.Diagnostics.CodeAnalysis;
using System.IO.Compression;
using CommunityToolkit.HighPerformance.Buffers;

namespace Dma.Machine;

/// <summary>Loads the memory of a machine from a file, compressed by gzip or not, and writes one.</summary>
/// <remarks>Pages of zeros cost nothing, so a large and mostly empty image needs little memory.</remarks>
public static class MemoryImage
{
    private const int ChunkBytes = 1 << 20;

    /// <summary>Loads an image.</summary>
    /// <param name="path">The file; gzip is recognised by its first bytes.</param>
    /// <param name="format">What it is.</param>
    /// <param name="start">Of a raw image: the address of its first byte, a multiple of 4096.</param>
    /// <param name="memory">What was loaded; to be disposed of by the caller.</param>
    /// <param name="error">Why nothing was, in one line.</param>
    /// <param name="progress">Told how far it is: bytes of the file read, bytes that it has.</param>
    public static bool TryLoad(
        string path,
        MemoryImageFormat format,
        PhysicalAddress start,
        [NotNullWhen(true)] out PhysicalMemory? memory,
        out string error,
        Action<ulong, ulong>? progress = null)
    {
        memory = null;
        PhysicalMemory loaded = new();
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, ChunkBytes, FileOptions.SequentialScan);
            bool compressed = IsCompressed(file);
            using ForwardReader reader = new(compressed ? new GZipStream(file, CompressionMode.Decompress) : file)
            {
                Progress = () => progress?.Invoke((ulong)file.Position, (ulong)file.Length),
            };
            bool elf = reader.Peek(4).SequenceEqual("\u007FELF"u8);
            if (format == MemoryImageFormat.Elf && !elf)
                throw new InvalidDataException("it is not an ELF file");
            if (elf && format != MemoryImageFormat.Raw)
                ElfCore.Load(reader, loaded);
            else
                LoadRaw(reader, start, loaded, compressed ? 0 : (ulong)file.Length);
            memory = loaded;
            error = "";
            return true;
        }
        catch (Exception exception) when (exception is IOException or InvalidDataException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            loaded.Dispose();
            error = $"{path}: {exception.Message.ReplaceLineEndings(" ")}";
            return false;
        }
    }

    private static bool IsCompressed(FileStream file)
    {
        Span<byte> magic = stackalloc byte[2];
        int count = file.ReadAtLeast(magic, 2, throwOnEndOfStream: false);
        file.Position = 0;
        return count == 2 && magic.SequenceEqual((ReadOnlySpan<byte>)[0x1F, 0x8B]);
    }

    /// <summary>Writes memory as a raw image from address 0 on; pages of zeros, and what is not backed, become holes of the file.</summary>
    /// <param name="path">The file; one that is there is replaced.</param>
    /// <param name="memory">The memory.</param>
    /// <param name="error">Why it was not written, in one line.</param>
    public static bool TrySave(string path, PhysicalMemory memory, out string error)
    {
        try
        {
            using FileStream file = new(path, FileMode.Create, FileAccess.Write, FileShare.None, ChunkBytes);
            using SpanOwner<byte> chunk = SpanOwner<byte>.Allocate(ChunkBytes);
            ulong end = memory.Extents.Select(extent => extent.Start.Value + extent.Length).DefaultIfEmpty().Max();
            file.SetLength((long)end);
            foreach ((PhysicalAddress start, ulong length) in memory.Populated(default, end))
            {
                file.Position = (long)start.Value;
                for (ulong done = 0; done < length;)
                {
                    Span<byte> part = chunk.Span[..(int)Math.Min(ChunkBytes, length - done)];
                    _ = memory.TryRead(start + done, part);
                    file.Write(part);
                    done += (ulong)part.Length;
                }
            }

            error = "";
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            error = $"{path}: {exception.Message.ReplaceLineEndings(" ")}";
            return false;
        }
    }

    // Of a length that is known, straight into memory; of a compressed image it shows only at the end.
    private static void LoadRaw(ForwardReader reader, PhysicalAddress start, PhysicalMemory memory, ulong length)
    {
        if (length == 0)
        {
            LoadUnknownLength(reader, start, memory);
            return;
        }

        memory.AddRam(start, (length + 0xFFF) & ~0xFFFul);
        using SpanOwner<byte> chunk = SpanOwner<byte>.Allocate(ChunkBytes);
        for (ulong done = 0; done < length;)
        {
            Span<byte> part = chunk.Span[..(int)Math.Min(ChunkBytes, length - done)];
            reader.ReadExactly(part);
            if (part.ContainsAnyExcept((byte)0))
                _ = memory.TryWrite(start + done, part);
            done += (ulong)part.Length;
        }
    }

    private static void LoadUnknownLength(ForwardReader reader, PhysicalAddress start, PhysicalMemory memory)
    {
        // Chunks first, then memory of that size.
        List<byte[]?> chunks = [];
        ulong length = 0;
        for (; ; )
        {
            byte[] chunk = new byte[ChunkBytes];
            int count = reader.ReadUpTo(chunk);
            if (count == 0)
                break;
            length += (ulong)count;
            chunks.Add(chunk.AsSpan().ContainsAnyExcept((byte)0) ? chunk : null);
        }

        if (length == 0)
            throw new InvalidDataException("it is empty");
        memory.AddRam(start, (length + 0xFFF) & ~0xFFFul);
        for (int index = 0; index < chunks.Count; index++)
        {
            ulong offset = (ulong)index * ChunkBytes;
            if (chunks[index] is { } chunk)
                _ = memory.TryWrite(start + offset, chunk.AsSpan(0, (int)Math.Min(ChunkBytes, length - offset)));
            chunks[index] = null;
        }
    }
}
