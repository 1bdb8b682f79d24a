using Dma.Hal;
using Dma.UsbDevice;

namespace Dma.Properties;

/// <summary>The drivers on disks beyond 2 TiB, where block numbers no longer fit into 32 bits, and on files that they may write.</summary>
public sealed class LargeDiskTests
{
    private const int Block = 512;
    private const ulong Bytes = 3ul << 40;
    private const ulong Blocks = Bytes / Block;

    // Around 2^32 blocks, where the commands change, and at both ends.
    private static readonly ulong[] s_places = [0, (1ul << 32) - 4, (1ul << 32) + 16, Blocks - 8];

    [Fact]
    public void A_disk_beyond_two_tebibytes_is_read_where_it_is_asked()
    {
        using UsbComputer machine = new(new MassStorageDevice(new FormulaImage(Bytes)));
        machine.Loop.Run(() => DiskReader.Use(machine.Device, async disk =>
        {
            Assert.Equal((Blocks, Block), (disk.BlockCount, disk.BlockBytes));
            MemoryBuffer buffer = machine.Dma.Allocate(8 * Block);
            foreach (ulong place in s_places)
            {
                await disk.Read(place, buffer);
                byte[] expected = new byte[8 * Block];
                Assert.True(new FormulaImage(Bytes).TryRead(place * Block, expected));
                byte[] read = new byte[8 * Block];
                buffer.Read(0, read);
                Assert.Equal(expected, read);
            }

            Assert.Equal(DmaRefusal.None, machine.Dma.Free(buffer));
        }));
    }

    [Fact]
    public void What_drivers_write_is_in_the_file_and_nothing_else_of_it_changes()
    {
        using TemporaryFile file = new();
        using (FileStream sparse = new(file.Path, FileMode.CreateNew))
        {
            Assert.SkipUnless(TrySetLength(sparse, (long)Bytes), "No file here can be of 3 TiB.");
        }

        using (FileDiskImage image = new(file.Path, isWritable: true))
        {
            using UsbComputer machine = new(new MassStorageDevice(image));
            machine.Loop.Run(() => DiskReader.Use(machine.Device, async disk =>
            {
                MemoryBuffer buffer = machine.Dma.Allocate(8 * Block);
                foreach (ulong place in s_places)
                {
                    buffer.Write(0, Content(place));
                    await disk.Write(place, buffer);
                }

                Assert.Equal(DmaRefusal.None, machine.Dma.Free(buffer));
            }));
        }

        Assert.Equal((long)Bytes, new FileInfo(file.Path).Length);
        using FileDiskImage after = new(file.Path);
        foreach (ulong place in s_places)
        {
            byte[] read = new byte[8 * Block];
            Assert.True(after.TryRead(place * Block, read));
            Assert.Equal(Content(place), read);
        }

        byte[] beside = new byte[Block];
        foreach (ulong place in (ulong[])[8, (1ul << 32) - 5, (1ul << 32) + 8, Blocks - 9, Blocks / 2])
        {
            Assert.True(after.TryRead(place * Block, beside));
            Assert.False(beside.AsSpan().ContainsAnyExcept((byte)0), $"Block {place} changed.");
        }
    }

    private static byte[] Content(ulong place)
    {
        byte[] content = new byte[8 * Block];
        new Random((int)(place % int.MaxValue)).NextBytes(content);
        BitConverter.TryWriteBytes(content, place);
        return content;
    }

    private static bool TrySetLength(FileStream file, long length)
    {
        try
        {
            file.SetLength(length);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
