using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Draws entries of tables: most of them good, some with a right or a page missing, some broken.</summary>
internal sealed class EntryGenerator(HardwareProfile profile)
{
    private readonly AddressWidth[] _widths = [.. new[] { AddressWidth.Bits39, AddressWidth.Bits48 }.Where(profile.Supports)];

    /// <summary>A second-stage entry for a level.</summary>
    public Gen<ulong> Paging(int tree, int level)
    {
        Gen<ulong> target = level == 1
            ? Gen.Frequency(
                (8, Gen.Choose(0, Ground.DataFrameCount - 1).Select(Ground.DataFrame)),
                (1, Gen.Elements(Ground.Nowhere, Ground.FarNowhere, 0xFEE0_0000ul, 0xFEEF_F000ul, 0xFEF0_0000ul)))
            : Gen.Frequency(
                (6, Gen.Constant(Ground.Table(tree, level - 1))),
                (2, Gen.Constant(Ground.Table(tree ^ 1, level - 1))),
                (1, Gen.Elements(Ground.Nowhere, Ground.FarNowhere)));
        Gen<ulong> pointer =
            from address in target
            from rights in Gen.Frequency((6, Gen.Constant(3ul)), (2, Gen.Elements(1ul, 2ul)), (1, Gen.Constant(0ul)))
            select address | rights;
        Gen<ulong> large =
            from address in Gen.Frequency(
                (4, Gen.Constant(level == 2 ? Ground.LargePage : 0ul)),
                (1, Gen.Elements(0x8000_0000ul, 0xFEE0_0000ul)),
                (1, Gen.Choose(12, (9 * level) + 2).Select(bit => 1ul << bit)))
            from rights in Gen.Elements(3ul, 3ul, 1ul, 2ul)
            select address | rights | 0x80;
        return Gen.Frequency(
            (10, level is 2 or 3 ? Gen.Frequency((1, pointer), (1, large)) : pointer),
            (3, from entry in pointer
                from bit in Gen.Elements(2, 3, 6, 7, 8, 9, 10, 11, 52, 61, 62, 63, profile.HostAddressWidth, 51)
                select entry ^ (1ul << bit)),
            (1, Gen.Constant(0ul)),
            (1, Gen.Elements(4ul, 0x4000_0000_0000_0800ul, ulong.MaxValue)));
    }

    /// <summary>A root entry.</summary>
    public Gen<ulong[]> Root(TranslationTableMode mode)
    {
        Gen<ulong> table = Gen.Frequency(
            (6, Gen.Choose(0, 1).Select(Ground.ContextTable)),
            (1, Gen.Elements(Ground.Nowhere, Ground.FarNowhere)));
        return Gen.Frequency(
            (6, from address in table select new[] { address | 1, 0ul }),
            (1, from address in table select new[] { address, 0ul }),
            (1, from address in table
                from bit in Gen.Elements(1, 11, profile.HostAddressWidth, 63)
                select new[] { address | 1 | (1ul << bit), 0ul }),
            (1, from address in table
                from bit in mode == TranslationTableMode.Legacy ? Gen.Elements(0, 12, 63) : Gen.Constant(0)
                select new[] { address | 1, 1ul << bit }));
    }

    /// <summary>A legacy context entry of a device.</summary>
    public Gen<ulong[]> LegacyContext(int device)
    {
        Gen<ContextEntry> good =
            from tree in Gen.Frequency((3, Gen.Constant(device)), (2, Gen.Constant(device ^ 1)))
            from width in Gen.Elements(_widths)
            from domain in Gen.Elements<ushort>(1, 2, 3)
            from suppress in Gen.Frequency((5, Gen.Constant(false)), (1, Gen.Constant(true)))
            from type in Gen.Frequency((6, Gen.Constant(0)), (1, Gen.Choose(0, 3)))
            select BaseTables.Context(device, tree, width) with
            {
                DomainId = new(domain),
                FaultProcessingDisable = suppress,
                TranslationType = (TranslationType)type,
            };
        Gen<ContextEntry> bad = Gen.Frequency(
            (2, from entry in good select entry with { Present = false }),
            (2, from entry in good
                from width in Gen.Choose(0, 7)
                select entry with { AddressWidth = (AddressWidth)width }),
            (1, from entry in good
                from address in Gen.Elements(Ground.Nowhere, Ground.FarNowhere)
                select entry with { SecondStageTable = new(address) }),
            (3, from entry in good
                from bit in Gen.Elements(4, 11, 67, 70, 71, 88, 127, profile.HostAddressWidth, 63)
                select new ContextEntry(entry.Raw | Bits128.Mask(bit, bit))));
        return Gen.Frequency((3, good), (2, bad)).Select(entry => new[] { entry.Raw.Word0, entry.Raw.Word1 });
    }

    /// <summary>A scalable-mode context entry of a device.</summary>
    public static Gen<ulong[]> ScalableContext(HardwareProfile profile, int device)
    {
        Gen<ScalableContextEntry> good =
            from which in Gen.Frequency((4, Gen.Constant(device)), (1, Gen.Constant(device ^ 1)))
            from suppress in Gen.Frequency((5, Gen.Constant(false)), (1, Gen.Constant(true)))
            from size in Gen.Frequency((4, Gen.Constant(0)), (1, Gen.Choose(0, 7)))
            select BaseTables.ScalableContext(which) with { FaultProcessingDisable = suppress, PasidDirectorySize = size };
        Gen<ScalableContextEntry> bad = Gen.Frequency(
            (2, from entry in good select entry with { Present = false }),
            (1, from entry in good
                from address in Gen.Elements(Ground.Nowhere, Ground.FarNowhere)
                select entry with { PasidDirectory = new(address) }),
            (2, from entry in good
                from bit in Gen.Elements(5, 8, 85, 127, 128, 255, profile.HostAddressWidth, 63)
                select new ScalableContextEntry(entry.Raw | Bits256.Mask(bit, bit))));
        return Gen.Frequency((3, good), (2, bad)).Select(entry => BaseTables.Words(entry.Raw));
    }

    /// <inheritdoc cref="ScalableContext(HardwareProfile, int)"/>
    public Gen<ulong[]> ScalableContext(int device) => ScalableContext(profile, device);

    /// <summary>The first entry of the PASID directory of a device.</summary>
    public Gen<ulong> PasidDirectory(int device) => Gen.Frequency(
        (3, Gen.Constant(Ground.PasidTable(device) | 1)),
        (1, Gen.Constant(Ground.PasidTable(device ^ 1) | 1)),
        (1, Gen.Constant(Ground.PasidTable(device) | 3)),
        (1, Gen.Elements(0ul, 2ul, Ground.PasidTable(device))),
        (1, Gen.Elements(Ground.Nowhere | 1, Ground.FarNowhere | 1)),
        (1, Gen.Elements(2, 11, profile.HostAddressWidth, 63).Select(bit => Ground.PasidTable(device) | 1 | (1ul << bit))));

    /// <summary>The first entry of the PASID table of a device.</summary>
    public Gen<ulong[]> PasidTable(int device)
    {
        Gen<PasidTableEntry> good =
            from tree in Gen.Frequency((3, Gen.Constant(device)), (2, Gen.Constant(device ^ 1)))
            from width in Gen.Elements(_widths)
            from domain in Gen.Elements<ushort>(1, 2, 3)
            from suppress in Gen.Frequency((5, Gen.Constant(false)), (1, Gen.Constant(true)))
            from type in Gen.Frequency((5, Gen.Constant(2)), (1, Gen.Constant(4)))
            select BaseTables.PasidEntry(device, tree, width) with
            {
                DomainId = new(domain),
                FaultProcessingDisable = suppress,
                TranslationType = (PasidTranslationType)type,
            };
        Gen<PasidTableEntry> bad = Gen.Frequency(
            (2, from entry in good select entry with { Present = false }),
            (2, from entry in good
                from width in Gen.Choose(0, 7)
                select entry with { AddressWidth = (AddressWidth)width }),
            (2, from entry in good
                from type in Gen.Elements(0, 1, 3, 5, 6, 7)
                select entry with { TranslationType = (PasidTranslationType)type }),
            (1, from entry in good
                from address in Gen.Elements(Ground.Nowhere, Ground.FarNowhere)
                select entry with { SecondStageTable = new(address) }),
            (2, from entry in good
                from bit in Gen.Elements(5, 10, 80, 86, 136, 192, 511, profile.HostAddressWidth)
                select new PasidTableEntry(entry.Raw | Bits512.Mask(bit, bit))));
        return Gen.Frequency((3, good), (2, bad)).Select(entry => BaseTables.Words(entry.Raw));
    }
}
