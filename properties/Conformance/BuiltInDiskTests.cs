using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using Dma.Lab;

namespace Dma.Properties;

public sealed class BuiltInDiskTests
{
    [Fact]
    public void It_is_a_volume_whose_files_a_reader_of_fat12_finds()
    {
        byte[] disk = BuiltInDisk.Create();
        Assert.Equal(Encoding.ASCII.GetBytes(BuiltInDisk.Readme), ReadFile(disk, "README  TXT"));
        byte[] pattern = ReadFile(disk, "PATTERN BIN");
        uint[] words = [.. Enumerable.Range(0, pattern.Length / 4).Select(word => BinaryPrimitives.ReadUInt32LittleEndian(pattern.AsSpan(4 * word)))];
        Assert.Equal(words.Length, words.Distinct().Count());
        Assert.Equal(disk, BuiltInDisk.Create());
    }

    [Fact]
    public void Fsck_finds_nothing_wrong_with_it()
    {
        const string Checker = "/usr/sbin/fsck.fat";
        Assert.SkipUnless(File.Exists(Checker), $"{Checker} is not installed.");
        using TemporaryFile file = new();
        File.WriteAllBytes(file.Path, BuiltInDisk.Create());
        using Process checker = Process.Start(new ProcessStartInfo(Checker, ["-n", file.Path]) { RedirectStandardOutput = true })!;
        string said = checker.StandardOutput.ReadToEnd();
        checker.WaitForExit();
        Assert.True(checker.ExitCode == 0, said);
    }

    // By the parameters in the boot sector alone (Microsoft, FAT specification).
    private static byte[] ReadFile(byte[] disk, string name)
    {
        int sectorBytes = Word(disk, 11);
        int fat = Word(disk, 14) * sectorBytes;
        int root = fat + (disk[16] * Word(disk, 22) * sectorBytes);
        int data = root + (Word(disk, 17) * 32);
        int clusterBytes = disk[13] * sectorBytes;
        Assert.Equal(disk.Length, Word(disk, 19) * sectorBytes);
        Assert.True((disk.Length - data) / clusterBytes < 4085, "FAT12 has fewer clusters.");

        int entry = root;
        while (Encoding.ASCII.GetString(disk, entry, 11) != name)
            entry += 32;
        List<byte> content = [];
        for (int cluster = Word(disk, entry + 26); cluster < 0xFF8; cluster = Next(disk, fat, cluster))
            content.AddRange(disk.AsSpan(data + ((cluster - 2) * clusterBytes), clusterBytes));
        int length = BinaryPrimitives.ReadInt32LittleEndian(disk.AsSpan(entry + 28));
        Assert.InRange(length, content.Count - clusterBytes + 1, content.Count);
        return [.. content[..length]];
    }

    private static int Next(byte[] disk, int fat, int cluster)
    {
        int pair = Word(disk, fat + (cluster * 3 / 2));
        return (cluster & 1) == 0 ? pair & 0xFFF : pair >> 4;
    }

    private static int Word(byte[] bytes, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(offset));
}
