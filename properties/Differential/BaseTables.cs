using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>The tables with which a program starts: two trees that map all of the small world, one for each device.</summary>
internal static class BaseTables
{
    /// <summary>The entries that are used at each level, from level 1 on.</summary>
    public static int[][] Indices { get; } = [[0, 1, 2, 511], [0, 1, 0x1F6, 0x1F7, 511], [0, 1, 3, 511], [0, 1, 511]];

    /// <summary>The legacy context entry of a device.</summary>
    public static ContextEntry Context(int device, int tree, AddressWidth width) => new()
    {
        Present = true,
        SecondStageTable = new(Ground.Table(tree, (int)width + 2)),
        AddressWidth = width,
        DomainId = new((ushort)(device + 1)),
    };

    /// <summary>The scalable-mode context entry of a device: its PASID table has one entry that counts.</summary>
    public static ScalableContextEntry ScalableContext(int device) => new()
    {
        Present = true,
        PasidDirectory = new(Ground.PasidDirectory(device)),
    };

    /// <summary>The PASID table entry of a device's requests.</summary>
    public static PasidTableEntry PasidEntry(int device, int tree, AddressWidth width) => new()
    {
        Present = true,
        AddressWidth = width,
        TranslationType = PasidTranslationType.SecondStage,
        SecondStageTable = new(Ground.Table(tree, (int)width + 2)),
        DomainId = new((ushort)(device + 1)),
    };

    /// <summary>Writes all of them.</summary>
    public static void Write(TranslationTableMode mode, AddressWidth width, Action<ulong, ulong> put)
    {
        for (int which = 0; which < 2; which++)
        {
            put(Ground.Root(which), Ground.ContextTable(which) | 1);
            for (int device = 0; device < Ground.Devices.Length; device++)
            {
                int tree = device ^ which;
                if (mode == TranslationTableMode.Legacy)
                    Put(put, ContextPlace(mode, which, device), Context(device, tree, width).Raw);
                else
                    Put(put, ContextPlace(mode, which, device), ScalableContext(device).Raw);
            }

            put(Ground.PasidDirectory(which), Ground.PasidTable(which) | 1);
            Put(put, Ground.PasidTable(which), PasidEntry(which, which, width).Raw);
        }

        for (int tree = 0; tree < 2; tree++)
        {
            for (int level = 1; level <= Indices.Length; level++)
            {
                foreach (int index in Indices[level - 1])
                    put(Ground.Table(tree, level) + (8ul * (ulong)index), Entry(tree, level, index));
            }
        }
    }

    /// <summary>Where the context entry of a device is.</summary>
    public static ulong ContextPlace(TranslationTableMode mode, int which, int device) =>
        Ground.ContextTable(which) + ((mode == TranslationTableMode.Legacy ? 16ul : 32ul) * Ground.Devices[device].DeviceFunction);

    /// <summary>Cuts an entry into quadwords.</summary>
    public static ulong[] Words(Bits256 raw) => [raw.Word0, raw.Word1, raw.Word2, raw.Word3];

    /// <inheritdoc cref="Words(Bits256)"/>
    public static ulong[] Words(Bits512 raw) =>
        [raw.Word0, raw.Word1, raw.Word2, raw.Word3, raw.Word4, raw.Word5, raw.Word6, raw.Word7];

    private static ulong Entry(int tree, int level, int index)
    {
        ulong target = level == 1 ? Ground.DataFrame(((tree * 4) + index) % Ground.DataFrameCount) : Ground.Table(tree, level - 1);
        return new SecondStageEntry { Read = true, Write = true, Address = new(target) }.Raw.Value;
    }

    private static void Put(Action<ulong, ulong> put, ulong at, Bits128 raw) => Put(put, at, [raw.Word0, raw.Word1]);

    private static void Put(Action<ulong, ulong> put, ulong at, Bits256 raw) => Put(put, at, Words(raw));

    private static void Put(Action<ulong, ulong> put, ulong at, Bits512 raw) => Put(put, at, Words(raw));

    private static void Put(Action<ulong, ulong> put, ulong at, ulong[] words)
    {
        for (int word = 0; word < words.Length; word++)
            put(at + (8ul * (ulong)word), words[word]);
    }
}
