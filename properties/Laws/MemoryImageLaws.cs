using System.Buffers.Binary;
using System.IO.Compression;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class MemoryImageLaws : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"dma-image-{Guid.NewGuid():N}");

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void A_raw_image_is_loaded_byte_for_byte_compressed_or_not()
    {
        byte[] bytes = new byte[(3 << 20) + 5000];
        new Random(1).NextBytes(bytes.AsSpan(2 << 20, 100_000));
        bytes[^1] = 0x77;
        foreach (bool compressed in (bool[])[false, true])
        {
            Write(bytes, compressed);
            using PhysicalMemory memory = Load(MemoryImageFormat.Detect, 0x10_0000);
            Assert.Equal([(new PhysicalAddress(0x10_0000), (ulong)(bytes.Length + 4095) & ~4095ul)], memory.Extents);
            byte[] read = new byte[bytes.Length];
            Assert.True(memory.TryRead(new PhysicalAddress(0x10_0000), read));
            Assert.Equal(bytes, read);
        }
    }

    [Fact]
    public void An_ELF_core_puts_every_segment_at_its_physical_address()
    {
        Gen<(int Page, int Pages, int Missing)[]> segments = Gen.NonEmptyListOf(
            from page in Gen.Choose(0, 4000)
            from pages in Gen.Choose(1, 8)
            from missing in Gen.Choose(0, 4096)
            select (page, pages, missing)).Select(list => list.DistinctBy(segment => segment.page / 8).ToArray());
        Property.Check(Gen.Zip(segments, Gen.Elements(true, false)).ToArbitrary(), world =>
        {
            ((int Page, int Pages, int Missing)[] parts, bool wide) = world;
            Random random = new(parts.Length);
            List<(ulong Address, byte[] Bytes, ulong Memory)> contents = [];
            foreach ((int page, int pages, int missing) in parts)
            {
                byte[] bytes = new byte[(Math.Min(pages, 8 - (page % 8)) * 4096) - missing];
                random.NextBytes(bytes);
                contents.Add(((ulong)page << 12, bytes, (ulong)bytes.Length + (ulong)missing));
            }

            Write(Core(contents, wide), compressed: wide);
            using PhysicalMemory memory = Load(MemoryImageFormat.Elf, 0);
            foreach ((ulong address, byte[] bytes, ulong length) in contents)
            {
                byte[] read = new byte[length];
                Assert.True(memory.TryRead(new PhysicalAddress(address), read));
                Assert.Equal(bytes, read[..bytes.Length]);
                Assert.False(read.AsSpan(bytes.Length).ContainsAnyExcept((byte)0));
            }
        }, 30);
    }

    [Fact]
    public void A_damaged_core_is_refused_in_one_line()
    {
        byte[] core = Core([(0x1000, new byte[8192], 8192), (0x10_0000, new byte[4096], 4096)], wide: true);
        Property.Check(
            (from length in Gen.Choose(0, core.Length - 1)
             from at in Gen.Choose(0, 64 + (3 * 56) - 1)
             from value in Gen.Choose(0, 255)
             from cut in Gen.Elements(true, false)
             select (length, at, value, cut)).ToArbitrary(),
            damage =>
            {
                byte[] broken = [.. core];
                if (damage.cut)
                    broken = broken[..damage.length];
                else
                    broken[damage.at] = (byte)damage.value;
                Write(broken, compressed: false);
                bool loaded = MemoryImage.TryLoad(_path, MemoryImageFormat.Elf, default, out PhysicalMemory? memory, out string error);
                Assert.Equal(loaded, memory is not null);
                Assert.Equal(loaded, error.Length == 0);
                Assert.DoesNotContain('\n', error);
                Assert.False(loaded && damage.cut, "The segments fill the file to its end.");
                memory?.Dispose();
            });
    }

    [Fact]
    public void What_is_not_there_or_not_an_image_is_refused()
    {
        Assert.False(MemoryImage.TryLoad(_path, MemoryImageFormat.Detect, default, out _, out string error));
        Assert.Contains(_path, error, StringComparison.Ordinal);
        Write([], compressed: false);
        Assert.False(MemoryImage.TryLoad(_path, MemoryImageFormat.Detect, default, out _, out _));
        Write([0x1F, 0x8B, 1, 2, 3, 4, 5, 6, 7, 8], compressed: false);
        Assert.False(MemoryImage.TryLoad(_path, MemoryImageFormat.Detect, default, out _, out _));
        Write(new byte[4096], compressed: false);
        Assert.False(MemoryImage.TryLoad(_path, MemoryImageFormat.Elf, default, out _, out _));
        Assert.False(MemoryImage.TryLoad(_path, MemoryImageFormat.Raw, new(0x123), out _, out _));
    }

    // Header, program headers with a note among them, then the segments one after the other.
    private static byte[] Core(List<(ulong Address, byte[] Bytes, ulong Memory)> segments, bool wide)
    {
        int headerBytes = wide ? 64 : 52;
        int entryBytes = wide ? 56 : 32;
        ulong offset = (ulong)(headerBytes + ((segments.Count + 1) * entryBytes));
        byte[] core = new byte[offset + (ulong)segments.Sum(segment => segment.Bytes.Length)];
        new byte[] { 0x7F, (byte)'E', (byte)'L', (byte)'F', (byte)(wide ? 2 : 1), 1, 1 }.CopyTo(core, 0);
        Put(core, 16, 2, 4);
        Put(core, wide ? 32 : 28, wide ? 8 : 4, (ulong)headerBytes);
        Put(core, wide ? 54 : 42, 2, (ulong)entryBytes);
        Put(core, wide ? 56 : 44, 2, (ulong)segments.Count + 1);
        Put(core, headerBytes, 4, 4);
        for (int index = 0; index < segments.Count; index++)
        {
            int at = headerBytes + ((index + 1) * entryBytes);
            (ulong address, byte[] bytes, ulong memory) = segments[index];
            int width = wide ? 8 : 4;
            Put(core, at, 4, 1);
            Put(core, at + (wide ? 8 : 4), width, offset);
            Put(core, at + (wide ? 24 : 12), width, address);
            Put(core, at + (wide ? 32 : 16), width, (ulong)bytes.Length);
            Put(core, at + (wide ? 40 : 20), width, memory);
            bytes.CopyTo(core, (int)offset);
            offset += (ulong)bytes.Length;
        }

        return core;
    }

    private static void Put(byte[] bytes, int at, int width, ulong value)
    {
        byte[] raw = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(raw, value);
        raw.AsSpan(0, width).CopyTo(bytes.AsSpan(at));
    }

    private void Write(byte[] bytes, bool compressed)
    {
        using FileStream file = File.Create(_path);
        using Stream stream = compressed ? new GZipStream(file, CompressionLevel.Fastest) : file;
        stream.Write(bytes);
    }

    private PhysicalMemory Load(MemoryImageFormat format, ulong start)
    {
        Assert.True(MemoryImage.TryLoad(_path, format, new(start), out PhysicalMemory? memory, out string error), error);
        return memory;
    }
}
