using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>The tables are those of the USB reference sheet, sections 3, 7 and 8, and of the class specifications; byte n is bits 8n+7:8n.</summary>
public sealed class UsbClassLayouts
{
    [Fact]
    public void SuperSpeed_formats_have_the_bytes_of_the_manual()
    {
        Check64(
            raw => new SuperSpeedCompanionDescriptor(raw),
            ("Length", "7:0"),
            ("Type", "15:8"),
            ("MaxBurst", "23:16"),
            ("MaxStreams", "28:24"),
            ("Mult", "25:24"),
            ("BytesPerInterval", "47:32"));
        Check64(raw => new BinaryObjectStoreDescriptor(raw), ("Length", "7:0"), ("Type", "15:8"), ("TotalLength", "31:16"), ("CapabilityCount", "39:32"));
        Check64(raw => new Usb2ExtensionCapability(raw), ("Length", "7:0"), ("Type", "15:8"), ("Capability", "23:16"), ("LinkPowerManagement", "25"));
        Check128(
            raw => new SuperSpeedCapability(raw),
            ("Length", "7:0"),
            ("Type", "15:8"),
            ("Capability", "23:16"),
            ("LatencyTolerance", "25"),
            ("LowSpeed", "32"),
            ("FullSpeed", "33"),
            ("HighSpeed", "34"),
            ("SuperSpeed", "35"),
            ("FullFunctionality", "55:48"),
            ("U1ExitLatency", "63:56"),
            ("U2ExitLatency", "79:64"));
        Check64(raw => new ExitLatencies(raw), ("U1System", "7:0"), ("U1Path", "15:8"), ("U2System", "31:16"), ("U2Path", "47:32"));
    }

    [Fact]
    public void Formats_of_human_interface_devices_have_the_bytes_of_the_manual()
    {
        Check128(
            raw => new HidDescriptor(raw),
            ("Length", "7:0"),
            ("Type", "15:8"),
            ("HidVersion", "31:16"),
            ("CountryCode", "39:32"),
            ("DescriptorCount", "47:40"),
            ("ReportType", "55:48"),
            ("ReportLength", "71:56"));
        Check64(
            raw => new KeyboardReport(raw),
            ("Modifiers", "7:0"),
            ("Key1", "23:16"),
            ("Key2", "31:24"),
            ("Key3", "39:32"),
            ("Key4", "47:40"),
            ("Key5", "55:48"),
            ("Key6", "63:56"));
        Check32(raw => new MouseReport(raw), ("Buttons", "7:0"), ("X", "15:8"), ("Y", "23:16"), ("Wheel", "31:24"));
        Assert.Equal((1, 2, 3), ((int)HidReportType.Input, (int)HidReportType.Output, (int)HidReportType.Feature));
        Assert.Equal((0, 1), ((int)HidProtocol.Boot, (int)HidProtocol.Report));
        Assert.Equal([1, 2, 3, 9, 0x0A, 0x0B], Enum.GetValues<HidRequest>().Select(value => (int)value));
        Assert.Equal(
            (0x04, 0x1D, 0x1E, 0x27, 0x28, 0x2C, 0x38, 0x3A, 0x45, 0x46, 0x53, 0x58, 0x63, 0x65, 0xE0, 0xE7),
            ((int)KeyUsage.A, (int)KeyUsage.Z, (int)KeyUsage.Digit1, (int)KeyUsage.Digit0, (int)KeyUsage.Enter, (int)KeyUsage.Space, (int)KeyUsage.Slash, (int)KeyUsage.F1,
                (int)KeyUsage.F12, (int)KeyUsage.PrintScreen, (int)KeyUsage.NumLock, (int)KeyUsage.KeypadEnter, (int)KeyUsage.KeypadPeriod, (int)KeyUsage.Application,
                (int)KeyUsage.LeftControl, (int)KeyUsage.RightGui));
    }

    [Fact]
    public void Formats_of_serial_ports_have_the_bytes_of_the_manual()
    {
        Check64(raw => new CdcHeader(raw), ("Length", "7:0"), ("Type", "15:8"), ("Subtype", "23:16"), ("CdcVersion", "39:24"));
        Check64(
            raw => new CallManagement(raw),
            ("Length", "7:0"),
            ("Type", "15:8"),
            ("Subtype", "23:16"),
            ("HandlesCalls", "24"),
            ("OverData", "25"),
            ("DataInterface", "39:32"));
        Check32(
            raw => new AbstractControl(raw),
            ("Length", "7:0"),
            ("Type", "15:8"),
            ("Subtype", "23:16"),
            ("Features", "24"),
            ("LineCoding", "25"),
            ("Break", "26"),
            ("NetworkConnection", "27"));
        Check64(raw => new CdcUnion(raw), ("Length", "7:0"), ("Type", "15:8"), ("Subtype", "23:16"), ("ControlInterface", "31:24"), ("SubordinateInterface", "39:32"));
        Check64(raw => new LineCoding(raw), ("Rate", "31:0"), ("StopBits", "39:32"), ("Parity", "47:40"), ("DataBits", "55:48"));
        Check128(
            raw => new SerialStateNotification(raw),
            ("Characteristics", "7:0"),
            ("Notification", "15:8"),
            ("Value", "31:16"),
            ("Index", "47:32"),
            ("DataLength", "63:48"),
            ("Lines", "79:64"));
        Assert.Equal([0x20, 0x21, 0x22, 0x23], Enum.GetValues<CdcRequest>().Select(value => (int)value));
        Assert.Equal([0, 1, 2, 6], Enum.GetValues<CdcSubtype>().Select(value => (int)value));
    }

    [Fact]
    public void Formats_of_audio_devices_have_the_bytes_of_the_manual()
    {
        Check128(
            raw => new AudioHeaderDescriptor(raw),
            ("Length", "7:0"),
            ("Type", "15:8"),
            ("Subtype", "23:16"),
            ("AudioVersion", "39:24"),
            ("TotalLength", "55:40"),
            ("InterfaceCount", "63:56"),
            ("StreamingInterface", "71:64"));
        Check128(
            raw => new InputTerminalDescriptor(raw),
            ("Length", "7:0"),
            ("Type", "15:8"),
            ("Subtype", "23:16"),
            ("Id", "31:24"),
            ("Terminal", "47:32"),
            ("AssociatedTerminal", "55:48"),
            ("Channels", "63:56"),
            ("ChannelPlaces", "79:64"),
            ("ChannelNames", "87:80"),
            ("Name", "95:88"));
        Check128(
            raw => new OutputTerminalDescriptor(raw),
            ("Length", "7:0"),
            ("Type", "15:8"),
            ("Subtype", "23:16"),
            ("Id", "31:24"),
            ("Terminal", "47:32"),
            ("AssociatedTerminal", "55:48"),
            ("Source", "63:56"),
            ("Name", "71:64"));
        Check64(raw => new FeatureUnitDescriptor(raw), ("Length", "7:0"), ("Type", "15:8"), ("Subtype", "23:16"), ("Id", "31:24"), ("Source", "39:32"), ("ControlSize", "47:40"));
        Check64(
            raw => new AudioStreamingDescriptor(raw),
            ("Length", "7:0"),
            ("Type", "15:8"),
            ("Subtype", "23:16"),
            ("TerminalLink", "31:24"),
            ("DelayFrames", "39:32"),
            ("FormatTag", "55:40"));
        Check64(
            raw => new FormatTypeDescriptor(raw),
            ("Length", "7:0"),
            ("Type", "15:8"),
            ("Subtype", "23:16"),
            ("Format", "31:24"),
            ("Channels", "39:32"),
            ("SubframeBytes", "47:40"),
            ("BitResolution", "55:48"),
            ("RateCount", "63:56"));
        Check64(
            raw => new AudioEndpointDescriptor(raw),
            ("Length", "7:0"),
            ("Type", "15:8"),
            ("Subtype", "23:16"),
            ("RateControl", "24"),
            ("PitchControl", "25"),
            ("MaxPacketsOnly", "31"),
            ("LockDelayUnits", "39:32"),
            ("LockDelay", "55:40"));
        Assert.Equal((1, 2, 1, 2), ((int)AudioSubclass.Control, (int)AudioSubclass.Streaming, (int)FeatureControl.Mute, (int)FeatureControl.Volume));
        Assert.Equal([0x01, 0x81, 0x82, 0x83, 0x84], Enum.GetValues<AudioRequest>().Select(value => (int)value));
        Assert.Equal([0x0101, 0x0201, 0x0301], Enum.GetValues<TerminalType>().Select(value => (int)value));
    }

    [Fact]
    public void Units_of_attached_SCSI_have_the_bytes_of_the_manual()
    {
        Check32(raw => new PipeUsageDescriptor(raw), ("Length", "7:0"), ("Type", "15:8"), ("Pipe", "23:16"));
        Check32(raw => new InformationUnit(raw), ("Id", "7:0"), ("Tag", "31:16"));
        static CommandUnit Read(ulong[] raw) => new(new(raw[0], raw[1], raw[2], raw[3]));
        LayoutProbe.Check(
            4,
            Read,
            ("Id", "7:0"),
            ("Tag", "31:16"),
            ("Attribute", "34:32"),
            ("Priority", "38:35"),
            ("AdditionalLength", "55:50"),
            ("LogicalUnit", "127:64"),
            ("Command", "255:128"));
        LayoutProbe.CheckWrites(4, Read);
        Check128(raw => new SenseUnit(raw), ("Id", "7:0"), ("Tag", "31:16"), ("Qualifier", "47:32"), ("Status", "55:48"), ("SenseLength", "127:112"));
        Check64(raw => new ResponseUnit(raw), ("Id", "7:0"), ("Tag", "31:16"), ("Code", "63:56"));
        Check128(raw => new TaskManagementUnit(raw), ("Id", "7:0"), ("Tag", "31:16"), ("Function", "39:32"), ("TaskTag", "63:48"), ("LogicalUnit", "127:64"));

        // Tags are big-endian.
        Assert.Equal("01001234", Convert.ToHexString(Packed.ToArray(new InformationUnit { Id = InformationUnitId.Command, Tag = 0x1234 }, InformationUnit.Size)));
        Assert.Equal([1, 3, 4, 5, 6, 7], Enum.GetValues<InformationUnitId>().Select(value => (int)value));
        Assert.Equal([0, 1, 2, 4], Enum.GetValues<TaskAttribute>().Select(value => (int)value));
        Assert.Equal([0, 1, 2], Enum.GetValues<CommandStatus>().Select(value => (int)value));
        Assert.Equal([1, 2, 4, 8, 0x10, 0x80, 0x81], Enum.GetValues<TaskFunction>().Select(value => (int)value));
        Assert.Equal([0, 2, 4, 8, 9, 10], Enum.GetValues<ResponseCode>().Select(value => (int)value));
        Assert.Equal([0, 2, 0x28], Enum.GetValues<ScsiStatus>().Select(value => (int)value));
        Assert.Equal([1, 2, 3, 4], Enum.GetValues<UasPipe>().Select(value => (int)value));
    }

    private static void Check32<T>(Func<Bits32, T> make, params (string Property, string Bits)[] table)
        where T : struct
    {
        LayoutProbe.Check(1, raw => make(new((uint)raw[0])), table);
        LayoutProbe.CheckWrites(1, raw => make(new((uint)raw[0])));
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
