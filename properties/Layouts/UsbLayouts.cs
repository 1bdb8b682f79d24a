using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>The tables are those of the USB reference sheet, sections 2, 3 and 6; byte n is bits 8n+7:8n.</summary>
public sealed class UsbLayouts
{
    [Fact]
    public void A_setup_packet_has_the_bytes_of_the_manual() => Check64(
        raw => new SetupPacket(raw),
        ("Recipient", "4:0"),
        ("Type", "6:5"),
        ("In", "7"),
        ("Characteristics", "7:0"),
        ("Request", "15:8"),
        ("Value", "31:16"),
        ("Index", "47:32"),
        ("Length", "63:48"));

    [Fact]
    public void A_device_descriptor_has_the_bytes_of_the_manual()
    {
        static DeviceDescriptor Read(ulong[] raw) => new(new(raw[0], raw[1], raw[2], 0));
        LayoutProbe.Check(
            3,
            Read,
            ("Length", "7:0"),
            ("Type", "15:8"),
            ("UsbVersion", "31:16"),
            ("Class", "39:32"),
            ("Subclass", "47:40"),
            ("Protocol", "55:48"),
            ("MaxPacketSize0", "63:56"),
            ("VendorId", "79:64"),
            ("ProductId", "95:80"),
            ("DeviceVersion", "111:96"),
            ("ManufacturerString", "119:112"),
            ("ProductString", "127:120"),
            ("SerialNumberString", "135:128"),
            ("ConfigurationCount", "143:136"));
        LayoutProbe.CheckWrites(3, Read);
    }

    [Fact]
    public void Other_descriptors_have_the_bytes_of_the_manual()
    {
        Check128(
            raw => new DeviceQualifierDescriptor(raw),
            ("Length", "7:0"),
            ("Type", "15:8"),
            ("UsbVersion", "31:16"),
            ("Class", "39:32"),
            ("Subclass", "47:40"),
            ("Protocol", "55:48"),
            ("MaxPacketSize0", "63:56"),
            ("ConfigurationCount", "71:64"));
        Check128(
            raw => new ConfigurationDescriptor(raw),
            ("Length", "7:0"),
            ("Type", "15:8"),
            ("TotalLength", "31:16"),
            ("InterfaceCount", "39:32"),
            ("Value", "47:40"),
            ("DescriptionString", "55:48"),
            ("RemoteWakeup", "61"),
            ("SelfPowered", "62"),
            ("AlwaysOne", "63"),
            ("MaxPower", "71:64"));
        Check128(
            raw => new InterfaceDescriptor(raw),
            ("Length", "7:0"),
            ("Type", "15:8"),
            ("Number", "23:16"),
            ("AlternateSetting", "31:24"),
            ("EndpointCount", "39:32"),
            ("Class", "47:40"),
            ("Subclass", "55:48"),
            ("Protocol", "63:56"),
            ("DescriptionString", "71:64"));
        Check64(
            raw => new EndpointDescriptor(raw),
            ("Length", "7:0"),
            ("Type", "15:8"),
            ("Number", "19:16"),
            ("In", "23"),
            ("Address", "23:16"),
            ("TransferType", "25:24"),
            ("Synchronization", "27:26"),
            ("Usage", "29:28"),
            ("MaxPacketSize", "42:32"),
            ("AdditionalTransactions", "44:43"),
            ("Interval", "55:48"));
    }

    [Fact]
    public void Codes_are_those_of_the_manual()
    {
        Assert.Equal(
            [0, 1, 3, 5, 6, 7, 8, 9, 0x0A, 0x0B, 0x0C, 0x30, 0x31],
            Enum.GetValues<StandardRequest>().Select(value => (int)value));
        Assert.Equal(
            [1, 2, 3, 4, 5, 6, 7, 0x0B, 0x0F, 0x10, 0x21, 0x22, 0x24, 0x25, 0x29, 0x30],
            Enum.GetValues<DescriptorType>().Select(value => (int)value));
        Assert.Equal((0, 1, 2), ((int)FeatureSelector.EndpointHalt, (int)FeatureSelector.DeviceRemoteWakeup, (int)FeatureSelector.TestMode));
        Assert.Equal((0xFE, 0xFF), ((int)BulkOnlyRequest.GetMaxLun, (int)BulkOnlyRequest.Reset));

        // A packet identifier carries its own complement.
        Assert.All(Enum.GetValues<UsbPid>().Where(pid => pid != UsbPid.None), pid => Assert.Equal(0xF, ((int)pid & 0xF) ^ ((int)pid >> 4)));
    }

    [Fact]
    public void Wrappers_have_the_bytes_of_the_manual()
    {
        static CommandBlockWrapper Read(ulong[] raw) => new(new(raw[0], raw[1], raw[2], raw[3]));
        LayoutProbe.Check(
            4,
            Read,
            ("Signature", "31:0"),
            ("Tag", "63:32"),
            ("DataLength", "95:64"),
            ("In", "103"),
            ("Flags", "103:96"),
            ("LogicalUnit", "107:104"),
            ("ReservedLogicalUnit", "111:108"),
            ("CommandLength", "116:112"),
            ("ReservedCommandLength", "119:117"),
            ("Command", "247:120"));
        LayoutProbe.CheckWrites(4, Read);
        Check128(
            raw => new CommandStatusWrapper(raw),
            ("Signature", "31:0"),
            ("Tag", "63:32"),
            ("DataResidue", "95:64"),
            ("Status", "103:96"));
        Assert.Equal((0x43425355u, 0x53425355u), (CommandBlockWrapper.ValidSignature, CommandStatusWrapper.ValidSignature));
        Assert.Equal((31, 13), (CommandBlockWrapper.Size, CommandStatusWrapper.Size));
    }

    [Fact]
    public void Command_blocks_have_the_bytes_of_the_manual()
    {
        Check128(raw => new CommandBlock(raw), ("Operation", "7:0"));
        Check128(
            raw => new CommandBlock6(raw),
            ("Operation", "7:0"),
            ("LogicalBlock", "12:8, 23:16, 31:24"),
            ("Length", "39:32"),
            ("Control", "47:40"),
            ("Block", "127:0"));
        Check128(
            raw => new CommandBlock10(raw),
            ("Operation", "7:0"),
            ("Options", "15:8"),
            ("LogicalBlock", "47:16"),
            ("Group", "55:48"),
            ("Length", "71:56"),
            ("Control", "79:72"),
            ("Block", "127:0"));
        Check128(
            raw => new CommandBlock12(raw),
            ("Operation", "7:0"),
            ("Options", "15:8"),
            ("LogicalBlock", "47:16"),
            ("Length", "79:48"),
            ("Control", "95:88"),
            ("Block", "127:0"));
        Check128(
            raw => new CommandBlock16(raw),
            ("Operation", "7:0"),
            ("Options", "15:8"),
            ("LogicalBlock", "79:16"),
            ("Length", "111:80"),
            ("Control", "127:120"),
            ("Block", "127:0"));
    }

    [Fact]
    public void Numbers_in_command_blocks_are_big_endian()
    {
        Assert.Equal("2A0000123456000080", Hex(new CommandBlock10 { Operation = ScsiOperation.Write10, LogicalBlock = 0x123456, Length = 0x80 }.Raw, 9));
        Assert.Equal("080100040800", Hex(new CommandBlock6 { Operation = ScsiOperation.Read6, LogicalBlock = 0x10004, Length = 8 }.Raw, 6));
        Assert.Equal("A80000000102000003040000", Hex(new CommandBlock12 { Operation = ScsiOperation.Read12, LogicalBlock = 0x102, Length = 0x304 }.Raw, 12));
        Assert.Equal(
            "88000102030405060708000000090000",
            Hex(new CommandBlock16 { Operation = ScsiOperation.Read16, LogicalBlock = 0x0102030405060708, Length = 9 }.Raw, 16));
        static string Hex(Bits128 raw, int count) => Convert.ToHexString(Packed.ToArray(raw, count));
    }

    [Fact]
    public void Answers_of_a_disk_have_the_bytes_of_the_manual()
    {
        static SenseData ReadSense(ulong[] raw) => new(new(raw[0], raw[1], raw[2], 0));
        LayoutProbe.Check(
            3,
            ReadSense,
            ("ResponseCode", "6:0"),
            ("InformationValid", "7"),
            ("Key", "19:16"),
            ("AdditionalLength", "63:56"),
            ("AdditionalCode", "103:96"),
            ("AdditionalQualifier", "111:104"));
        LayoutProbe.CheckWrites(3, ReadSense);
        Check64(raw => new ReadCapacity10Data(raw), ("LastLogicalBlock", "31:0"), ("BlockLength", "63:32"));
        static ReadCapacity16Data ReadCapacity(ulong[] raw) => new(new(raw[0], raw[1], 0, 0));
        LayoutProbe.Check(2, ReadCapacity, ("LastLogicalBlock", "63:0"), ("BlockLength", "95:64"));
        LayoutProbe.CheckWrites(2, ReadCapacity);
        static InquiryData ReadInquiry(ulong[] raw) => new(new(raw[0], raw[1], raw[2], raw[3], raw[4], 0, 0, 0));
        LayoutProbe.Check(
            5,
            ReadInquiry,
            ("DeviceType", "4:0"),
            ("Removable", "15"),
            ("Version", "23:16"),
            ("ResponseFormat", "27:24"),
            ("AdditionalLength", "39:32"));
        LayoutProbe.CheckWrites(5, ReadInquiry);
    }

    private static void Check64<T>(Func<Bits64, T> make, params (string Property, string Bits)[] table)
        where T : struct
    {
        LayoutProbe.Check(1, raw => make(new(raw[0])), table);
        LayoutProbe.CheckWrites(1, raw => make(new(raw[0])));
    }

    private static void Check128<T>(Func<Bits128, T> make, params (string Property, string Bits)[] table)
        where T : struct
    {
        LayoutProbe.Check(2, raw => make(new(raw[0], raw[1])), table);
        LayoutProbe.CheckWrites(2, raw => make(new(raw[0], raw[1])));
    }
}
