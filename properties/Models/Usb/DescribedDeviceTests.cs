using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class DescribedDeviceTests
{
    private const string Corpus = "corpora/usb-descriptors";

    // A full-speed device: one interface with two settings, the second of which has two endpoints.
    private static readonly byte[] Sample = Convert.FromHexString(
        "120110010000004034127856000101020001"
        + "0902290001010080320904000000FF0000000904000102FF000000"
        + "07058102400000" + "07050203080001");

    [Fact]
    public void Every_recording_of_the_corpora_enumerates_byte_for_byte()
    {
        string[] files = Directory.GetFiles(SharedFiles.Require(Corpus), "*.bin");
        Assert.NotEmpty(files);
        Assert.All(files, file =>
        {
            byte[] bytes = File.ReadAllBytes(file);
            Assert.True(RecordedDescriptors.TryRead(bytes, [], out RecordedDescriptors? recorded, out string problem), problem);
            DescribedDevice device = new(recorded);
            UsbTestHost host = new(device, recorded.Descriptors.MaxPacketSize0);
            bool hasDevice = bytes is [18, 1, ..];
            bool isReport = Path.GetFileName(file).StartsWith("hidreport", StringComparison.Ordinal);

            // As a host does: eight bytes, an address, all of the device, the head of a configuration, all of it.
            byte[] head = host.Descriptor(DescriptorType.Device, length: 8)!;
            Assert.Equal(recorded.Descriptors.MaxPacketSize0, head[7]);
            Assert.NotNull(host.Control(new() { Request = (byte)StandardRequest.SetAddress, Value = 9 }));
            host.Address = 9;
            byte[] told = host.Descriptor(DescriptorType.Device, length: 18)!;
            if (hasDevice)
                Assert.Equal(bytes[..18], told);
            byte[] configurations = [.. Enumerable.Range(0, told[17]).SelectMany(index => Configuration(host, index) ?? [])];
            if (!isReport)
                Assert.Equal(bytes.AsSpan(hasDevice ? 18 : 0).ToArray(), configurations);
            bool isConfigured = host.Control(new() { Request = (byte)StandardRequest.SetConfiguration, Value = 1 }) is not null;
            Assert.Equal(configurations.Length != 0, isConfigured);
            if (isReport)
                Assert.Equal(bytes, Report(host, 0));
        });

        static byte[]? Configuration(UsbTestHost host, int index) => host.Descriptor(DescriptorType.Configuration, index, 9) is { } head
            ? host.Descriptor(DescriptorType.Configuration, index, head[2] | (head[3] << 8))
            : null;
    }

    [Fact]
    public void A_report_descriptor_goes_to_the_interface_that_says_its_length()
    {
        byte[] configuration = File.ReadAllBytes(SharedFiles.Require($"{Corpus}/config_0627-0001_45c78a8b.bin"));
        byte[] report = File.ReadAllBytes(SharedFiles.Require($"{Corpus}/hidreport_0627-0001_c8c394b8.bin"));
        Assert.True(RecordedDescriptors.TryRead(configuration, [report], out RecordedDescriptors? recorded, out string problem), problem);
        UsbTestHost host = new(new DescribedDevice(recorded));
        host.Configure();
        Assert.Equal(report, Report(host, 0));
        Assert.Null(Report(host, 1));
        Assert.False(RecordedDescriptors.TryRead(configuration, [report[..^1]], out _, out problem));
        Assert.Contains("Report descriptor 1 has 73 bytes; interface 0 says that it has 74", problem, StringComparison.Ordinal);
        Assert.False(RecordedDescriptors.TryRead(configuration, [report, report], out _, out problem));
        Assert.Contains("the device has 1 human interfaces", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Strings_capabilities_and_the_other_speed_are_answered_where_they_are_recorded()
    {
        byte[] qualifier = [10, 6, 0, 2, 0, 0, 0, 64, 1, 0];
        byte[] other = [9, 7, 9, 0, 0, 1, 0, 0x80, 50];
        byte[] languages = [4, 3, 9, 4];
        byte[] name = [6, 3, (byte)'O', 0, (byte)'K', 0];
        byte[] store = [5, 15, 12, 0, 1, 7, 16, 2, 2, 0, 0, 0];
        byte[] whole = [.. Sample, .. languages, .. name, .. store, .. qualifier, .. other];
        Assert.True(RecordedDescriptors.TryRead(whole, [], out RecordedDescriptors? recorded, out string problem), problem);
        UsbTestHost host = new(new DescribedDevice(recorded));
        Assert.Equal(qualifier, host.Descriptor(DescriptorType.DeviceQualifier));
        Assert.Equal(other, host.Descriptor(DescriptorType.OtherSpeedConfiguration));
        Assert.Equal(languages, host.Descriptor(DescriptorType.String));
        Assert.Equal(name, host.Descriptor(DescriptorType.String, 1));
        Assert.Null(host.Descriptor(DescriptorType.String, 2));
        Assert.Equal(store, host.Descriptor(DescriptorType.BinaryObjectStore));
    }

    [Fact]
    public void Endpoints_have_nothing_to_send_take_everything_and_keep_to_chapter_nine()
    {
        Assert.True(RecordedDescriptors.TryRead(Sample, [], out RecordedDescriptors? recorded, out string problem), problem);
        Assert.Equal(UsbSpeed.Full, recorded.Speed);
        UsbTestHost host = new(new DescribedDevice(recorded));
        host.Configure();
        Assert.Equal(UsbPid.None, host.In(1, 64, 64).End);
        Assert.True(host.SetInterface(0, 1));
        Assert.Equal(UsbPid.Nak, host.In(1, 64, 64).End);
        Assert.Equal((8, UsbPid.Ack), host.Out(2, new byte[8], 8));
        Assert.False(host.SetInterface(0, 2));
        Assert.False(host.SetInterface(1, 0));
        SetupPacket halt = new()
        {
            Recipient = RequestRecipient.Endpoint,
            Request = (byte)StandardRequest.SetFeature,
            Value = (ushort)FeatureSelector.EndpointHalt,
            Index = 0x02,
        };
        Assert.NotNull(host.Control(halt));
        Assert.Equal(UsbPid.Stall, host.Out(2, new byte[8], 8).End);
        host.ClearHalt(2, isIn: false);
        Assert.Equal(UsbPid.Ack, host.Out(2, new byte[8], 8).End);
        Assert.Null(host.ClassRequest(1, length: 1));
        Assert.Null(host.Control(new() { Request = (byte)StandardRequest.SetConfiguration, Value = 2 }));
    }

    [Theory]
    [InlineData(0, "00", "Byte 0: this begins neither as a device descriptor (12 01)")]
    [InlineData(7, "41", "Byte 7: endpoint 0 cannot have packets of 65 bytes")]
    [InlineData(17, "02", "Byte 17: the device says that it has 2 configurations, and 1 follow")]
    [InlineData(18, "08", "Byte 18: the head of a configuration has 9 bytes, not 8")]
    [InlineData(18, "01", "Byte 18: a descriptor cannot have 1 bytes")]
    [InlineData(19, "24", "Byte 18: a descriptor of type 24h stands outside every configuration")]
    [InlineData(19, "01", "Byte 18: a second device descriptor")]
    [InlineData(20, "2A", "Byte 18: a configuration of 42 bytes goes past the end, 41 are left")]
    [InlineData(20, "08", "Byte 18: a configuration of 8 bytes is shorter than its head")]
    [InlineData(20, "28", "Byte 52: a descriptor of 7 bytes does not fit into the 6 that the configuration has left")]
    [InlineData(22, "02", "Byte 18: the configuration says that it has 2 interfaces, and has 1")]
    [InlineData(23, "00", "Byte 18: a configuration cannot have the value 0")]
    [InlineData(27, "08", "Byte 27: an interface has 9 bytes, not 8")]
    [InlineData(31, "01", "Byte 27: the interface says that it has 1 endpoints, and has 0")]
    [InlineData(39, "00", "Byte 36: interface 0 has the setting 0 twice")]
    [InlineData(40, "03", "Byte 36: the interface says that it has 3 endpoints, and has 2")]
    [InlineData(45, "06", "Byte 45: an endpoint has 7 bytes, not 6")]
    [InlineData(47, "80", "Byte 45: an endpoint cannot have the address 80h")]
    [InlineData(54, "81", "Byte 52: the endpoint 81h stands twice in one setting")]
    [InlineData(46, "02", "Byte 45: a descriptor of type 02h stands inside a configuration")]
    public void A_recording_that_makes_no_sense_is_refused_with_the_place_and_the_reason(int at, string hex, string problem)
    {
        byte[] bytes = [.. Sample];
        Convert.FromHexString(hex).CopyTo(bytes, at);
        Assert.False(RecordedDescriptors.TryRead(bytes, [], out _, out string said));
        Assert.Contains(problem, said, StringComparison.Ordinal);
    }

    [Fact]
    public void Capabilities_that_do_not_fit_together_are_refused()
    {
        foreach ((string hex, string problem) in ((string, string)[])[
            ("050F0C0002" + "07100202000000", "Byte 59: the list says that it has 2 capabilities, and has 1"),
            ("050F0C0001" + "07050202000000", "Byte 64: a descriptor of type 05h stands between capabilities"),
            ("050F0C0001" + "08100202000000", "Byte 64: a descriptor of 8 bytes goes past the end, 7 are left"),
            ("050F050000" + "050F050000", "Byte 64: a second list of capabilities")])
        {
            Assert.False(RecordedDescriptors.TryRead([.. Sample, .. Convert.FromHexString(hex)], [], out _, out string said));
            Assert.Contains(problem, said, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Recordings_that_were_cut_or_changed_are_read_or_refused_and_what_is_read_enumerates() => Property.Check(
        from changes in (from at in Gen.Choose(0, Sample.Length - 1) from value in Gen.Choose(0, 255) select (at, (byte)value)).ListOf(3)
        from length in Gen.Frequency((3, Gen.Constant(Sample.Length)), (1, Gen.Choose(0, Sample.Length)))
        select (changes, length),
        sample =>
        {
            byte[] bytes = [.. Sample];
            foreach ((int at, byte value) in sample.changes)
                bytes[at] = value;
            bytes = bytes[..sample.length];
            if (!RecordedDescriptors.TryRead(bytes, [], out RecordedDescriptors? recorded, out string problem))
            {
                Assert.NotEmpty(problem);
                return;
            }

            UsbTestHost host = new(new DescribedDevice(recorded), recorded.Descriptors.MaxPacketSize0);
            _ = Assert.IsType<byte[]>(host.Descriptor(DescriptorType.Device));
            Assert.NotNull(host.Control(new() { Request = (byte)StandardRequest.SetAddress, Value = 1 }));
            host.Address = 1;
            if (host.Descriptor(DescriptorType.Configuration) is not { } configuration)
                return;
            Assert.NotNull(host.Control(new() { Request = (byte)StandardRequest.SetConfiguration, Value = configuration[5] }));
            for (int number = 0; number < 3; number++)
                _ = host.SetInterface(number, 1);
            for (int endpoint = 1; endpoint < 16; endpoint++)
                _ = (host.In(endpoint, 1), host.Out(endpoint, [1]));
        },
        count: 1000);

    private static byte[]? Report(UsbTestHost host, int number) => host.Control(new()
    {
        In = true,
        Recipient = RequestRecipient.Interface,
        Request = (byte)StandardRequest.GetDescriptor,
        Value = (int)DescriptorType.HidReport << 8,
        Index = (ushort)number,
        Length = 4096,
    });
}
