using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>The tables are those of the reference sheet, sections 1.3, 1.5 to 1.7 and 2.3.</summary>
public sealed class ScalableModeLayouts
{
    [Fact]
    public void A_scalable_root_entry_has_the_bits_of_the_manual()
    {
        LayoutProbe.Check(
            2,
            raw => new ScalableRootEntry(new(raw[0], raw[1])),
            ("LowerPresent", "0"),
            ("LowerContextTable", "63:12"),
            ("UpperPresent", "64"),
            ("UpperContextTable", "127:76"));
        LayoutProbe.CheckWrites(2, raw => new ScalableRootEntry(new(raw[0], raw[1])));
    }

    [Fact]
    public void A_scalable_context_entry_has_the_bits_of_the_manual()
    {
        static ScalableContextEntry Read(ulong[] raw) => new(new(raw[0], raw[1], raw[2], raw[3]));
        LayoutProbe.Check(
            4,
            Read,
            ("Present", "0"),
            ("FaultProcessingDisable", "1"),
            ("DeviceTlbEnabled", "2"),
            ("PasidEnabled", "3"),
            ("PageRequestsEnabled", "4"),
            ("PasidDirectorySize", "11:9"),
            ("PasidDirectory", "63:12"),
            ("RequesterPasid", "83:64"),
            ("RequesterPrivileged", "84"));
        LayoutProbe.CheckWrites(4, Read);
    }

    [Fact]
    public void A_PASID_directory_entry_has_the_bits_of_the_manual()
    {
        LayoutProbe.Check(
            1,
            raw => new PasidDirectoryEntry(new(raw[0])),
            ("Present", "0"),
            ("FaultProcessingDisable", "1"),
            ("PasidTable", "63:12"));
        LayoutProbe.CheckWrites(1, raw => new PasidDirectoryEntry(new(raw[0])));
    }

    [Fact]
    public void A_PASID_table_entry_has_the_bits_of_the_manual()
    {
        static PasidTableEntry Read(ulong[] raw) => new(new(raw[0], raw[1], raw[2], raw[3], raw[4], raw[5], raw[6], raw[7]));
        LayoutProbe.Check(
            8,
            Read,
            ("Present", "0"),
            ("FaultProcessingDisable", "1"),
            ("AddressWidth", "4:2"),
            ("TranslationType", "8:6"),
            ("SecondStageAccessedDirty", "9"),
            ("SecondStageTable", "63:12"),
            ("DomainId", "79:64"),
            ("PageWalkSnoop", "87"),
            ("PageSnoop", "88"),
            ("CacheDisabled", "89"),
            ("ExtendedMemoryTypeEnabled", "90"),
            ("ExtendedMemoryType", "93:91"),
            ("WriteThrough", "94"),
            ("TableCacheDisabled", "95"),
            ("PageAttributeTable", "127:96"),
            ("SupervisorRequestsEnabled", "128"),
            ("ExecuteRequestsEnabled", "129"),
            ("PagingMode", "131:130"),
            ("WriteProtectEnabled", "132"),
            ("NoExecuteEnabled", "133"),
            ("SupervisorExecutionPrevented", "134"),
            ("ExtendedAccessedEnabled", "135"),
            ("FirstStageTable", "191:140"));
        LayoutProbe.CheckWrites(8, Read);
    }

    [Fact]
    public void A_first_stage_entry_has_the_bits_of_the_manual()
    {
        LayoutProbe.Check(
            1,
            raw => new FirstStageEntry(new(raw[0])),
            ("Present", "0"),
            ("Writable", "1"),
            ("User", "2"),
            ("WriteThrough", "3"),
            ("CacheDisabled", "4"),
            ("Accessed", "5"),
            ("Dirty", "6"),
            ("PageSize", "7"),
            ("Global", "8"),
            ("ExtendedAccessed", "10"),
            ("Address", "51:12"),
            ("ExecuteDisabled", "63"));
        LayoutProbe.CheckWrites(1, raw => new FirstStageEntry(new(raw[0])));
    }

    [Theory]
    [InlineData(PasidTranslationType.FirstStage, 0x040)]
    [InlineData(PasidTranslationType.SecondStage, 0x080)]
    [InlineData(PasidTranslationType.Nested, 0x0C0)]
    [InlineData(PasidTranslationType.PassThrough, 0x100)]
    public void A_translation_type_has_the_code_of_the_manual(PasidTranslationType type, ulong word) =>
        Assert.Equal(word, new PasidTableEntry { TranslationType = type }.Raw.Word0);

    [Fact]
    public void A_table_that_is_not_on_a_page_boundary_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new PasidDirectoryEntry { PasidTable = new PhysicalAddress(0x1800) });
}
