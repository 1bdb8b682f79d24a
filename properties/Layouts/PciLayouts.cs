using System.Globalization;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Each bit of the configuration space beside tables written by hand from PCI Express base 5.0, section 7.</summary>
public sealed class PciLayouts
{
    private static readonly SourceId Place = new(0, 3, 0);

    [Fact]
    public void An_ordinary_function_has_the_header_of_type_0()
    {
        using PciWorld world = new();
        _ = world.Add(
            new ProbeFunction().WithBar(0, 0x1000).WithBar(2, 1ul << 33, is64Bit: true, prefetchable: true).WithPin(2), Place.Device);
        CheckReset(world, 0x00, """
            12348086 00000000 0C032007 00000000
            00000000 00000000 0000000C 00000000
            00000000 00000000 00000000 11001AF4
            00000000 00000000 00000000 00000200
            """);
        CheckWritable(world, 0x00, """
            00000000 00000547 00000000 000000FF
            FFFFF000 00000000 00000000 FFFFFFFE
            00000000 00000000 00000000 00000000
            00000000 00000000 00000000 000000FF
            """);
    }

    [Fact]
    public void A_bridge_has_the_header_of_type_1()
    {
        using PciWorld world = new();
        _ = world.Add(new PciBridge(0x8086, 0x2448, type: null), Place.Device);
        CheckReset(world, 0x00, """
            24488086 00000000 06040000 00010000
            00000000 00000000 00000000 00000000
            00000000 00010001 00000000 00000000
            00000000 00000000 00000000 00000000
            """);
        // Secondary bus reset, bit 22 of the last row, holds the bus below in reset but reads back.
        CheckWritable(world, 0x00, """
            00000000 00000547 00000000 000000FF
            00000000 00000000 00FFFFFF 00000000
            FFF0FFF0 FFF0FFF0 FFFFFFFF FFFFFFFF
            00000000 00000000 00000000 004300FF
            """);
    }

    [Theory]
    [InlineData(1, false, false, 10, "00000005 00000000 00000000", "00710000 FFFFFFFC 0000FFFF")]
    [InlineData(4, true, false, 14, "00840005 00000000 00000000 00000000", "00710000 FFFFFFFC FFFFFFFF 0000FFFF")]
    [InlineData(8, false, true, 20, "01060005 00000000 00000000 00000000 00000000", "00710000 FFFFFFFC 0000FFFF 000000FF 00000000")]
    [InlineData(32, true, true, 24, "018A0005 00000000 00000000 00000000 00000000 00000000", "00710000 FFFFFFFC FFFFFFFF 0000FFFF FFFFFFFF 00000000")]
    public void The_four_forms_of_msi(int vectors, bool is64Bit, bool masking, int length, string reset, string writable)
    {
        using PciWorld world = new();
        MsiCapability msi = new(vectors, is64Bit, masking);
        ProbeFunction function = world.Add(new ProbeFunction().With(msi), Place.Device);
        Assert.Equal((0x40, length), (msi.Offset, msi.Length));
        Assert.Equal(0x40u, world.Read(Place, PciOffset.CapabilityPointer, 1));
        Assert.Equal(0x10u, world.Read(Place, PciOffset.Status, 2));
        CheckReset(world, 0x40, reset);
        CheckWritable(world, 0x40, writable);
        Assert.Same(msi, Assert.Single(function.Capabilities));
    }

    [Fact]
    public void Msix_says_where_its_table_and_pending_bits_are()
    {
        using PciWorld world = new();
        _ = world.Add(new ProbeFunction().WithBar(1, 0x1_0000).With(new MsixCapability(2048, 1, 0x2000, 0xA000)), Place.Device);
        CheckReset(world, 0x40, "07FF0011 00002001 0000A001");
        CheckWritable(world, 0x40, "C0000000 00000000 00000000");
    }

    [Fact]
    public void Pci_express_has_the_registers_of_version_2()
    {
        using PciWorld world = new();
        _ = world.Add(new ProbeFunction().With(new PciExpressCapability(PciExpressType.Endpoint)), Place.Device);
        CheckReset(world, 0x40, """
            00020010 10008001 00002810 00000013
            00130000 00000000 00000000 00000000
            00000000 00000010 00000000 0000000E
            00000003 00000000 00000000
            """);
        CheckWritable(world, 0x40, """
            00000000 00000000 000079FF 00000000
            000000C3 00000000 00000000 00000000
            00000000 00000000 00000010 00000000
            0000000F 00000000 00000000
            """);
    }

    [Fact]
    public void A_device_inside_the_root_complex_has_no_link()
    {
        using PciWorld world = new();
        _ = world.Add(new ProbeFunction().With(new PciExpressCapability(PciExpressType.RootComplexEndpoint, functionLevelReset: false)), Place.Device);
        CheckReset(world, 0x40, "00920010 00008001 00002810 00000000 00000000");
        CheckWritable(world, 0x40, "00000000 00000000 000079FF 00000000 00000000");
    }

    [Theory]
    [InlineData(1, true, true, "0001000F 00000061", "00000000 801F0000")]
    [InlineData(31, false, false, "0001000F 0000001F", "00000000 801F0000")]
    [InlineData(32, true, false, "0001000F 00000020", "00000000 801F0000")]
    public void Address_translation_says_how_many_invalidations_a_device_takes(int depth, bool aligned, bool global, string reset, string writable) =>
        CheckExtended(new AtsCapability(depth, aligned, global), reset, writable);

    [Fact]
    public void A_translation_completion_entry_has_its_bits_where_the_protocol_has_them()
    {
        LayoutProbe.Check(
            1,
            words => new TranslationEntry(new(words[0])),
            ("Read", "0"), ("Write", "1"), ("UntranslatedOnly", "2"), ("Execute", "3"), ("Privileged", "4"), ("Global", "5"),
            ("NonSnooped", "10"), ("Size", "11"), ("Address", "63:12"));
        LayoutProbe.CheckWrites(1, words => new TranslationEntry(new(words[0])));
    }

    [Theory]
    [InlineData(4096ul, 0x1234_5000ul, 0x1234_5000ul)]
    [InlineData(8192ul, 0x1234_4000ul, 0x1234_4800ul)]
    [InlineData(0x20_0000ul, 0x1220_0000ul, 0x122F_F800ul)]
    [InlineData(0x4000_0000ul, 0x1_4000_0000ul, 0x1_5FFF_F800ul)]
    public void The_length_of_a_translation_is_in_the_low_ones_of_its_address(ulong bytes, ulong address, ulong raw)
    {
        TranslationCompletion completion = new(TranslationStatus.Success, new(address), bytes, true, false, false) { NonSnooped = true };
        Assert.Equal(raw | 0x401, completion.Entry.Raw.Value);
        Assert.Equal(completion, TranslationCompletion.Of(completion.Entry));
    }

    [Theory]
    [InlineData(1u, false, "00010013 01000000 00000001 00000000")]
    [InlineData(0x1234u, true, "00010013 81000000 00001234 00000000")]
    public void The_page_request_interface_begins_stopped(uint capacity, bool needsPasid, string reset) =>
        CheckExtended(new PageRequestCapability(capacity, needsPasid), reset, "00000000 00000001 00000000 FFFFFFFF");

    [Theory]
    [InlineData(20, true, true, "0001001B 00001406", "00000000 00070000")]
    [InlineData(0, false, false, "0001001B 00000000", "00000000 00010000")]
    [InlineData(16, true, false, "0001001B 00001002", "00000000 00030000")]
    [InlineData(1, false, true, "0001001B 00000104", "00000000 00050000")]
    public void Pasid_says_how_wide_and_of_what_kind(int width, bool execute, bool privileged, string reset, string writable) =>
        CheckExtended(new PasidCapability(width, execute, privileged), reset, writable);

    [Theory]
    [InlineData(AccessControls.Usual, "0001000D 0000001F", "00000000 001F0000")]
    [InlineData(AccessControls.SourceValidation, "0001000D 00000001", "00000000 00010000")]
    [InlineData(AccessControls.TranslationBlocking, "0001000D 00000002", "00000000 00020000")]
    [InlineData(AccessControls.PeerRequestRedirect, "0001000D 00000004", "00000000 00040000")]
    [InlineData(AccessControls.PeerCompletionRedirect, "0001000D 00000008", "00000000 00080000")]
    [InlineData(AccessControls.UpstreamForwarding, "0001000D 00000010", "00000000 00100000")]
    public void Access_control_of_a_port_has_a_bit_for_each_check(AccessControls checks, string reset, string writable)
    {
        using PciWorld world = new();
        _ = world.Add(new PciBridge(0x8086, 0x3420, accessControls: checks), Place.Device);
        CheckReset(world, 0x100, reset);
        CheckWritable(world, 0x100, writable);
        Assert.Throws<ArgumentException>(() => new PciBridge(0x8086, 0x3420, PciExpressType.SwitchUpstreamPort, checks));
    }

    [Fact]
    public void Capabilities_form_a_list_in_each_part_of_the_space()
    {
        using PciWorld world = new();
        ProbeFunction function = new ProbeFunction()
            .WithRegister(new(0x70, 1, "SBRN", new(0x20)))
            .With(new MsiCapability(), 0x50)
            .With(new PciExpressCapability(PciExpressType.Endpoint))
            .With(new MsixCapability(1, 0, 0, 0x800))
            .With(new BlankExtended(0x000F, 1, 8))
            .With(new BlankExtended(0x0013, 2, 16), 0x200)
            .With(new BlankExtended(0x001B, 1, 8));
        _ = world.Add(function.WithBar(0, 0x1000), Place.Device);
        Assert.Equal([(0x05, 0x50), (0x10, 0x74), (0x11, 0x40)], Walk(world));
        Assert.Equal([(0x000F, 1, 0x100), (0x0013, 2, 0x200), (0x001B, 1, 0x108)], WalkExtended(world));
        Assert.Equal(0x20u, world.Read(Place, 0x70, 1));
    }

    [Fact]
    public void A_conventional_function_has_256_bytes_and_an_express_one_4096()
    {
        using PciWorld world = new();
        _ = world.Add(new ProbeFunction(), 1);
        _ = world.Add(new ProbeFunction().With(new PciExpressCapability(PciExpressType.Endpoint)), 2);
        Assert.Equal(0xFFFF_FFFFu, world.Read(new(0, 1, 0), 0x100, 4));
        Assert.Equal(0u, world.Read(new(0, 2, 0), 0x100, 4));
        Assert.Equal(0u, world.Read(new(0, 2, 0), 0xFFC, 4));
        Assert.Equal(0xFFFF_FFFFu, world.Read(new(0, 2, 0), 0xFFE, 4));
    }

    [Fact]
    public void What_does_not_fit_into_the_space_is_refused()
    {
        Assert.Throws<ArgumentException>(() => new ProbeFunction().With(new BlankExtended(0x000F, 1, 8)));
        Assert.Throws<ArgumentException>(() => new ProbeFunction().With(new MsiCapability(), 0x3C));
        Assert.Throws<ArgumentException>(() => new ProbeFunction().With(new MsiCapability(), 0xFC));
        Assert.Throws<ArgumentException>(() => new ProbeFunction().With(new MsiCapability(), 0x40).With(new MsixCapability(1, 0, 0, 8), 0x44));
        Assert.Throws<ArgumentException>(() => new ProbeFunction().With(new PciExpressCapability(PciExpressType.Endpoint), 0x40).With(new MsixCapability(1, 0, 0, 8), 0x54));
        Assert.Throws<ArgumentException>(() => new ProbeFunction().With(new MsiCapability(), 0x40).WithRegister(new(0x4E, 2, "HOLE", default)));
        Assert.Throws<ArgumentException>(() => new ProbeFunction().WithRegister(new(0x3E, 2, "HEADER", default)));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ProbeFunction().WithBar(0, 24));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ProbeFunction().WithBar(5, 16, is64Bit: true));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ProbeFunction().WithBar(0, 1ul << 32));
        Assert.Throws<ArgumentException>(() => new ProbeFunction().WithBar(0, 16, is64Bit: true).WithBar(1, 16));
        Assert.Throws<ArgumentException>(() => new MsixCapability(64, 0, 0, 0x3F8));
    }

    private static void CheckExtended(PciExtendedCapability capability, string reset, string writable)
    {
        using PciWorld world = new();
        _ = world.Add(new ProbeFunction().With(new PciExpressCapability(PciExpressType.Endpoint)).With(capability), Place.Device);
        CheckReset(world, 0x100, reset);
        CheckWritable(world, 0x100, writable);
    }

    // Every doubleword after reset.
    private static void CheckReset(PciWorld world, int start, string table)
    {
        uint[] expected = Parse(table);
        for (int at = 0; at < expected.Length; at++)
            AssertDoubleword(start + (4 * at), expected[at], world.Read(Place, start + (4 * at), 4));
    }

    // Every bit: written as one and as zero, alone in its byte, it must answer as the table says. Status bits have a test of their own.
    private static void CheckWritable(PciWorld world, int start, string table)
    {
        uint[] expected = Parse(table);
        for (int at = 0; at < expected.Length; at++)
        {
            int offset = start + (4 * at);
            uint writable = 0;
            for (int bit = 0; bit < 32; bit++)
            {
                int place = offset + (bit >> 3);
                uint before = world.Read(Place, place, 1);
                world.Write(Place, place, 1, before ^ (1u << (bit & 7)));
                if (world.Read(Place, place, 1) != before)
                    writable |= 1u << bit;
                world.Write(Place, place, 1, before);
                Assert.Equal(before, world.Read(Place, place, 1));
            }

            AssertDoubleword(offset, expected[at], writable);
        }
    }

    private static void AssertDoubleword(int offset, uint expected, uint found) =>
        Assert.True(expected == found, $"At {offset:X}h the table says {expected:X8}h, the function {found:X8}h.");

    private static uint[] Parse(string table) =>
        [.. table.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Select(word => uint.Parse(word, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];

    private static List<(int Id, int Offset)> Walk(PciWorld world)
    {
        List<(int, int)> found = [];
        for (int at = (int)world.Read(Place, PciOffset.CapabilityPointer, 1); at != 0 && found.Count < 48; at = (int)world.Read(Place, at + 1, 1))
            found.Add(((int)world.Read(Place, at, 1), at));
        return found;
    }

    private static List<(int Id, int Version, int Offset)> WalkExtended(PciWorld world)
    {
        List<(int, int, int)> found = [];
        for (int at = 0x100; at != 0 && found.Count < 48;)
        {
            Bits32 header = new(world.Read(Place, at, 4));
            found.Add(((int)header.Bits(15, 0), (int)header.Bits(19, 16), at));
            at = (int)header.Bits(31, 20);
        }

        return found;
    }

    private sealed class BlankExtended(int id, int version, int length) : PciExtendedCapability(id, version, length)
    {
        protected override IEnumerable<Register> Registers => [new(4, 4, "BODY", new(0))];
    }
}
