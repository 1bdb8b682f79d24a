using System.Buffers.Binary;
using System.Text;

namespace Dma.Lab;

/// <summary>The disk of a run that names none: a FAT12 volume of one mebibyte with two files.</summary>
/// <remarks>
/// README.TXT says what it is. PATTERN.BIN holds a different number in every doubleword, so that sectors in the wrong
/// order or read twice change the checksum.
///
/// <code>
/// sector 0        1..6     7..12    13..16           17..2047
/// boot sector     FAT 1    FAT 2    root directory   clusters 2, 3, ... of one sector each
/// </code>
/// </remarks>
public static class BuiltInDisk
{
    /// <summary>What README.TXT says.</summary>
    public const string Readme = "Every byte of this disk reached you by direct DMA, through an IOMMU.\r\n";

    private const int SectorBytes = 512;
    private const int Sectors = 2048;
    private const int FatSectors = 6;
    private const int RootEntries = 64;
    private const int RootSector = 1 + 2 * FatSectors;
    private const int DataSector = RootSector + RootEntries * 32 / SectorBytes;
    private const int PatternBytes = 256 * 1024;
    private const byte FixedDisk = 0xF8;
    private const ushort EndOfFile = 0xFFF;

    /// <summary>The volume, the same bytes every time.</summary>
    public static byte[] Create()
    {
        byte[] disk = new byte[Sectors * SectorBytes];
        WriteBootSector(disk);

        byte[] readme = Encoding.ASCII.GetBytes(Readme);
        byte[] pattern = Pattern();
        Span<byte> root = disk.AsSpan(RootSector * SectorBytes);
        WriteEntry(root[..32], "DMA        ", attributes: 0x08, cluster: 0, bytes: 0);
        ushort next = WriteFile(disk, firstCluster: 2, readme);
        WriteEntry(root[32..64], "README  TXT", attributes: 0x01, cluster: 2, readme.Length);
        WriteEntry(root[64..96], "PATTERN BIN", attributes: 0x01, cluster: next, pattern.Length);
        _ = WriteFile(disk, next, pattern);

        // The first two entries are no clusters: the media byte, and an end mark.
        SetFat(disk, 0, 0xF00 | FixedDisk);
        SetFat(disk, 1, EndOfFile);
        return disk;
    }

    private static void WriteBootSector(Span<byte> disk)
    {
        // A jump over the parameters, to code that a processor would run: an endless loop.
        new byte[] { 0xEB, 0x3C, 0x90 }.CopyTo(disk);
        new byte[] { 0xEB, 0xFE }.CopyTo(disk[62..]);
        Encoding.ASCII.GetBytes("DMA 1.0 ").CopyTo(disk[3..]);
        Word(disk, 11, SectorBytes);
        disk[13] = 1; // sectors in a cluster
        Word(disk, 14, 1); // reserved sectors: this one
        disk[16] = 2; // FATs
        Word(disk, 17, RootEntries);
        Word(disk, 19, Sectors);
        disk[21] = FixedDisk;
        Word(disk, 22, FatSectors);
        Word(disk, 24, 32); // sectors in a track
        Word(disk, 26, 2); // heads
        disk[36] = 0x80; // first hard disk
        disk[38] = 0x29; // serial number, label and type follow
        BinaryPrimitives.WriteUInt32LittleEndian(disk[39..], 0x44_4D_41_31);
        Encoding.ASCII.GetBytes("DMA        FAT12   ").CopyTo(disk[43..]);
        Word(disk, 510, 0xAA55);
    }

    private static byte[] Pattern()
    {
        byte[] pattern = new byte[PatternBytes];
        for (int offset = 0; offset < pattern.Length; offset += 4)
            BinaryPrimitives.WriteUInt32LittleEndian(pattern.AsSpan(offset), unchecked((uint)offset * 0x9E37_79B1));
        return pattern;
    }

    /// <summary>Puts a file into a row of clusters and chains them.</summary>
    /// <returns>The cluster after the last one.</returns>
    private static ushort WriteFile(byte[] disk, ushort firstCluster, byte[] contents)
    {
        contents.CopyTo(disk, (DataSector + firstCluster - 2) * SectorBytes);
        int clusters = (contents.Length + SectorBytes - 1) / SectorBytes;
        for (int index = 0; index < clusters; index++)
        {
            int cluster = firstCluster + index;
            SetFat(disk, cluster, index == clusters - 1 ? EndOfFile : (ushort)(cluster + 1));
        }

        return (ushort)(firstCluster + clusters);
    }

    /// <summary>Sets a 12-bit entry in both FATs: entries 2n and 2n + 1 share three bytes.</summary>
    private static void SetFat(byte[] disk, int cluster, ushort value)
    {
        for (int fat = 0; fat < 2; fat++)
        {
            Span<byte> pair = disk.AsSpan((1 + fat * FatSectors) * SectorBytes + cluster * 3 / 2, 2);
            ushort old = BinaryPrimitives.ReadUInt16LittleEndian(pair);
            ushort merged = (cluster & 1) == 0 ? (ushort)((old & 0xF000) | value) : (ushort)((old & 0x000F) | (value << 4));
            BinaryPrimitives.WriteUInt16LittleEndian(pair, merged);
        }
    }

    private static void WriteEntry(Span<byte> entry, string name, byte attributes, ushort cluster, int bytes)
    {
        const ushort FirstOfJanuary2024 = (44 << 9) | (1 << 5) | 1;
        Encoding.ASCII.GetBytes(name).CopyTo(entry);
        entry[11] = attributes;
        Word(entry, 24, FirstOfJanuary2024);
        Word(entry, 26, cluster);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[28..], (uint)bytes);
    }

    private static void Word(Span<byte> bytes, int offset, ushort value) =>
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[offset..], value);
}
