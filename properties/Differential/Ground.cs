using Dma.Machine;

namespace Dma.Properties;

/// <summary>Where things are in the memory of a differential program: a small world, so that steps meet each other.</summary>
internal static class Ground
{
    /// <summary>How much memory there is.</summary>
    public const ulong MemoryBytes = 8 << 20;

    /// <summary>What a program can change, and what is compared at its end.</summary>
    public const ulong ComparedBytes = 6 << 20;

    /// <summary>Where tables are, and data frames behind them, which a wrong entry can make a table.</summary>
    public const ulong Tables = 0x20_0000;

    /// <summary>Bytes of tables and data frames: all that walks can read.</summary>
    public const int WalkedBytes = 0x1_8000;

    /// <summary>Bytes of root and context tables, which come first.</summary>
    public const int ContextBytes = 0x4000;

    /// <summary>Where PASID directories and tables begin among the tables.</summary>
    public const int PasidStart = 0xC000;

    /// <summary>Bytes of PASID directories and tables.</summary>
    public const int PasidBytes = 0x4000;

    /// <summary>The invalidation queue: two pages.</summary>
    public const ulong Queue = Tables + WalkedBytes;

    /// <summary>Where waits write.</summary>
    public const ulong Status = Queue + 0x2000;

    /// <summary>A 2 MiB page.</summary>
    public const ulong LargePage = 0x40_0000;

    /// <summary>No memory, below the hole of the machine and within 39 bits.</summary>
    public const ulong Nowhere = 0x0080_0000;

    /// <summary>No memory, far away and within 39 bits.</summary>
    public const ulong FarNowhere = 0x70_0000_0000;

    /// <summary>The hole of a PC: screen and firmware, which are no memory.</summary>
    public const ulong Hole = 0xA_0000;

    /// <summary>Where memory goes on.</summary>
    public const ulong HoleEnd = 0x10_0000;

    private const ulong DataFrames = Tables + 0x1_0000;

    /// <summary>How many data frames there are.</summary>
    public const int DataFrameCount = 8;

    /// <summary>The requesters.</summary>
    public static SourceId[] Devices { get; } = [new(0, 4, 0), new(0, 5, 0)];

    /// <summary>What memory holds when a program starts.</summary>
    public static byte[] Image { get; } = Draw();

    public static ulong Root(int which) => Tables + ((ulong)which * 0x1000);

    public static ulong ContextTable(int which) => Tables + 0x2000 + ((ulong)which * 0x1000);

    /// <summary>The table of a tree at a level; all entries of the level above lead to the same one.</summary>
    public static ulong Table(int tree, int level) => Tables + 0x4000 + ((ulong)((tree * 4) + level - 1) * 0x1000);

    public static ulong PasidDirectory(int which) => Tables + 0xC000 + ((ulong)which * 0x1000);

    public static ulong PasidTable(int which) => Tables + 0xE000 + ((ulong)which * 0x1000);

    public static ulong DataFrame(int which) => DataFrames + ((ulong)which * 0x1000);

    /// <summary>Where the entry of an address is in a table.</summary>
    public static ulong Entry(ulong table, int level, ulong address) => table + (((address >> (12 + (9 * (level - 1)))) & 0x1FF) * 8);

    /// <summary>Puts memory back to what it is when a program starts.</summary>
    public static void Restore(PhysicalMemory memory) => Assert.True(memory.TryWrite(new PhysicalAddress(0), Image));

    /// <summary>Where two memories differ first; null where they are the same.</summary>
    public static string? Difference(PhysicalMemory ours, PhysicalMemory theirs)
    {
        byte[] left = new byte[ComparedBytes];
        byte[] right = new byte[ComparedBytes];
        Assert.True(ours.TryRead(new PhysicalAddress(0), left.AsSpan()) && theirs.TryRead(new PhysicalAddress(0), right.AsSpan()));
        left.AsSpan((int)Hole, (int)(HoleEnd - Hole)).Clear();
        right.AsSpan((int)Hole, (int)(HoleEnd - Hole)).Clear();
        int at = left.AsSpan().CommonPrefixLength(right);
        return at == left.Length ? null : $"at 0x{at:x}, 0x{left[at]:x2} is not 0x{right[at]:x2}";
    }

    // Any two places hold different bytes within a few, and tables are empty.
    private static byte[] Draw()
    {
        byte[] image = new byte[ComparedBytes];
        for (int at = 0; at < image.Length; at += 8)
            Assert.True(BitConverter.TryWriteBytes(image.AsSpan(at), ((ulong)at + 1) * 0x9E37_79B9_7F4A_7C15));
        image.AsSpan((int)Tables, (int)(DataFrames - Tables)).Clear();
        image.AsSpan((int)Queue, 0x3000).Clear();
        return image;
    }
}
