using System.Diagnostics.CodeAnalysis;
using System.IO.Compression;

namespace Dma.Machine;

/// <summary>Loads the memory of a machine from a file, compressed by gzip or not.</summary>
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
    public static bool TryLoad(
        string path,
        MemoryImageFormat format,
        PhysicalAddress start,
        [NotNullWhen(true)] out PhysicalMemory? memory,
        out string error)
    {
        memory = null;
        PhysicalMemory loaded = new();
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, ChunkBytes, FileOptions.SequentialScan);
            using ForwardReader reader = new(IsCompressed(file) ? new GZipStream(file, CompressionMode.Decompress) : file);
            bool elf = reader.Peek(4).SequenceEqual("\u007FELF"u8);
            if (format == MemoryImageFormat.Elf && !elf)
                throw new InvalidDataException("it is not an ELF file");
            if (elf && format != MemoryImageFormat.Raw)
                ElfCore.Load(reader, loaded);
            else
                LoadRaw(reader, start, loaded);
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

    private static void LoadRaw(ForwardReader reader, PhysicalAddress start, PhysicalMemory memory)
    {
        // How long a compressed image is shows only at its end: chunks first, then memory of that size.
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
