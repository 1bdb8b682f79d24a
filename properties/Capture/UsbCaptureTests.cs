using System.Buffers.Binary;
using System.Globalization;
using Dma.Drivers;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

public sealed class UsbCaptureTests
{
    private const int BulkOut = 2;
    private const int BulkIn = 1;
    private const ulong PatienceNs = 60_000_000_000;

    [Fact]
    public void Wireshark_sees_the_main_job_as_it_was()
    {
        Tshark.Require();
        using TemporaryFile file = new();
        Assert.Equal(ExitCode.Ok, ToolRun.Of("--pcap", file.Path).ExitCode);

        // Enumeration: what the device said of itself.
        string[] device = Assert.Single(Tshark.Read(
            file.Path, "usb.idVendor && usb.device_address == 1 && frame.number < 20", null, "usb.idVendor", "usb.idProduct", "usb.bcdUSB", "usb.bNumConfigurations"));
        Assert.Equal(["0x1209", "0x0001", "0x0200", "1"], device);

        // What the commands brought is the disk, from the first byte to the last.
        IReadOnlyList<string[]> bulk = Tshark.Read(
            file.Path, "usb.transfer_type == 3 && usb.capdata", "usbms", "usb.urb_type", "usb.endpoint_address", "usb.capdata");
        byte[] expected = BuiltInDisk.Create();
        byte[] read = [.. DataOfReads(bulk).Take(expected.Length)];
        Assert.Equal(expected, read);

        // Every submission is completed once, not before it began, and packets stand in the order of time.
        IReadOnlyList<string[]> all = Tshark.Read(file.Path, "usb", null, "usb.urb_id", "usb.urb_type", "frame.time_epoch", "frame.interface_name");
        Assert.All(all, row => Assert.Equal("usb1", row[3]));
        Assert.Equal(all.Select(Time).Order(), all.Select(Time));
        foreach (IGrouping<string, string[]> transfer in all.GroupBy(row => row[0]))
            Assert.Equal(["'S'", "'C'"], transfer.Select(row => row[1]));
    }

    [Fact]
    public void Wireshark_sees_how_transfers_end()
    {
        Tshark.Require();
        using TemporaryFile file = new();
        byte[] block = [.. Enumerable.Range(0, 512).Select(value => (byte)value)];
        using (FileStream stream = File.Create(file.Path))
        {
            EventLoop loop = new();
            using UsbCapture capture = new(stream, loop);
            UsbTestHost host = new(new MassStorageDevice(new MemoryDiskImage(block, isWritable: false)));
            capture.Watch(host.Bus, "left");
            host.Configure();

            // A request that there is not, a command that is none, and one that nobody waits for.
            Assert.Null(host.Control(new() { Request = 0x7F, Type = RequestType.Vendor }));
            (int bytes, UsbPid end) = host.Out(BulkOut, new byte[31]);
            host.Bus.EndTransfer(new(UsbPid.Out, host.Address, BulkOut), TransferType.Bulk, end == UsbPid.Stall ? TransferOutcome.Stalled : TransferOutcome.Completed);
            Assert.Equal(UsbPid.Stall, host.In(BulkIn, 13).End);
            host.Bus.EndTransfer(new(UsbPid.In, host.Address, BulkIn), TransferType.Bulk, TransferOutcome.Stalled);
            _ = host.Bus.Out(new(UsbPid.Setup, host.Address, 0), UsbPid.Data0, Packed.ToArray(new SetupPacket { Request = (byte)StandardRequest.GetStatus, Length = 2, In = true }, SetupPacket.Size));
        }

        IReadOnlyList<string[]> ends = Tshark.Read(
            file.Path, "usb.urb_type == 'C'", null, "usb.transfer_type", "usb.endpoint_address", "usb.device_address", "usb.urb_status", "usb.bus_id");
        Assert.Equal(
            ["2 0x00 0 0 1", "2 0x00 5 0 1", "2 0x00 5 -32 1", "3 0x02 5 0 1", "3 0x81 5 -32 1"],
            ends.Select(row => string.Join(' ', (string[])[Number(row[0]), .. row[1..]])));

        // What is on its way at the end was begun and not ended.
        Assert.Equal(6, Tshark.Read(file.Path, "usb.urb_type == 'S'", null, "usb.urb_id").Count);
    }

    [Fact]
    public void Wireshark_sees_whole_transfers_of_devices_behind_a_translator()
    {
        Tshark.Require();
        const string Text = "Hello, tshark.";
        byte[] content = Random(7, 24 * 512);
        using TemporaryFile file = new();
        using (UsbComputer machine = new(device: null))
        using (FileStream stream = File.Create(file.Path))
        using (UsbCapture capture = new(stream, machine.Loop))
        {
            capture.Watch(machine.Controller.Usb, "usb1");
            KeyboardDevice keyboard = new(machine.Loop, UsbSpeed.Full);
            UsbHub hub = new(machine.Loop);
            hub.Downstream[0].Plug(keyboard);
            hub.Downstream[1].Plug(new MassStorageDevice(new MemoryDiskImage(content), speed: UsbSpeed.Full));
            machine.Ports[0].Plug(hub);
            machine.Loop.Run(async () =>
            {
                IUsbHostController controller = await UsbHostControllers.Start(machine.Device);
                HubDriver driver = await HubDriver.Start(await UsbDeviceHandle.Enumerate(controller, 1));
                KeyboardDriver keys = await KeyboardDriver.Start(await UsbDeviceHandle.Enumerate(driver, 1));
                MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(driver, 2));
                keyboard.Type(Text);
                Task<byte[]> read = DiskReader.ReadAll(disk, machine.Dma);
                for (int ups = 0; ups < Text.Length;)
                    ups += await keys.Next() is { IsDown: false, Key: < KeyUsage.LeftControl } ? 1 : 0;
                Assert.Equal(content, await read);
            }, PatienceNs);
        }

        // Each report once, as on a bus of the keyboard's own.
        IReadOnlyList<string[]> reports = Tshark.Read(
            file.Path, "usb.transfer_type == 1 && usb.urb_type == 'C' && usb.capdata && usb.data_len == 8", "usbhid", "usb.capdata");
        Assert.Equal(ReportsOf(Text), reports.Select(row => row[0]));
        SeesDisk(file.Path, content, "usb.transfer_type == 3");
    }

    [Fact]
    public void Wireshark_sees_whole_transfers_of_an_xHCI_controller_isochronous_ones_too()
    {
        Tshark.Require();
        byte[] content = Random(8, 300 * 512);
        byte[] voice = new byte[48 * 2 * 50];
        long packets = 0;
        using TemporaryFile file = new();
        using (UsbComputer machine = new(new XhciOptions()))
        using (FileStream stream = File.Create(file.Path))
        using (UsbCapture capture = new(stream, machine.Loop))
        {
            for (int port = 0; port < machine.Ports.Count; port++)
                capture.Watch(machine.Ports[port].Bus!, $"usb{port + 1}");
            machine.Ports[0].Plug(new AudioSourceDevice(machine.Loop, new SineWave(440), new() { Channels = 1 }));
            machine.Ports[4].Plug(new MassStorageDevice(new MemoryDiskImage(content), speed: UsbSpeed.Super));
            machine.Loop.Run(async () =>
            {
                IUsbHostController controller = await UsbHostControllers.Start(machine.Device);
                AudioDriver microphone = AudioDriver.Find(await UsbDeviceHandle.Enumerate(controller, 1));
                MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(controller, 5));
                AudioStream recording = await microphone.Start(48000);
                Task<byte[]> read = DiskReader.ReadAll(disk, machine.Dma);
                await recording.Record(voice);
                packets = recording.PacketsMoved;
                Assert.Equal(content, await read);
            }, PatienceNs);
        }

        // One transfer for each packet, and its bytes are what was heard.
        IReadOnlyList<string[]> heard = Tshark.Read(
            file.Path, "usb.transfer_type == 0 && usb.urb_type == 'C' && usb.iso.data", null, "frame.interface_name", "usb.iso.data");
        Assert.All(heard, row => Assert.Equal("usb1", row[0]));
        Assert.True(heard.Count >= packets && packets >= 50, $"{heard.Count} of {packets}");
        Assert.Equal(voice, heard.SelectMany(row => Convert.FromHexString(row[1])).Take(voice.Length));
        SeesDisk(file.Path, content, "usb.transfer_type == 3 && frame.interface_name == \"usb5\"");
    }

    [Fact]
    public void Each_bus_is_an_interface_and_isochronous_packets_have_descriptors()
    {
        Tshark.Require();
        using TemporaryFile file = new();
        using (FileStream stream = File.Create(file.Path))
        {
            using UsbCapture capture = new(stream, new EventLoop());
            UsbBus[] buses = [.. Enumerable.Range(0, 2).Select(_ => new UsbTestHost(new ScriptedDevice()).Bus)];
            capture.Watch(buses[0], "left");
            capture.Watch(buses[1], "right");
            UsbToken token = new(UsbPid.Out, 0, 3);
            buses[1].Observer!.Transaction(token, UsbPid.Data0, [1, 2, 3], UsbPid.None);
            buses[1].EndTransfer(token, TransferType.Isochronous, TransferOutcome.Completed);
            buses[0].Observer!.Transaction(token with { Pid = UsbPid.In }, UsbPid.Data1, [4], UsbPid.Ack);
            buses[0].EndTransfer(token with { Pid = UsbPid.In }, TransferType.Interrupt, TransferOutcome.Completed);
        }

        IReadOnlyList<string[]> rows = Tshark.Read(
            file.Path, "usb", null, "frame.interface_name", "usb.bus_id", "usb.transfer_type", "usb.urb_type", "usb.iso.numdesc", "usb.iso.iso_len", "usb.capdata", "usb.iso.data");
        Assert.Equal(["right|2|0|'S'|1|3||010203", "right|2|0|'C'|1|3||", "left|1|1|'S'|0|||", "left|1|1|'C'|0||04|"],
            rows.Select(row => string.Join('|', (string[])[row[0], row[1], Number(row[2]), .. row[3..]])));
    }

    [Fact]
    public void A_capture_is_blocks_that_say_their_length_twice()
    {
        using MemoryStream stream = new();
        using (UsbCapture capture = new(stream, new EventLoop()))
        {
            UsbTestHost host = new(new MassStorageDevice(new MemoryDiskImage(new byte[512], isWritable: false)));
            capture.Watch(host.Bus, "a name whose length is no multiple of four");
            host.Configure();
        }

        List<uint> types = [];
        for (ReadOnlySpan<byte> rest = stream.ToArray(); !rest.IsEmpty;)
        {
            types.Add(BinaryPrimitives.ReadUInt32LittleEndian(rest));
            int length = BinaryPrimitives.ReadInt32LittleEndian(rest[4..]);
            Assert.Equal(0, length % 4);
            Assert.Equal(length, BinaryPrimitives.ReadInt32LittleEndian(rest[(length - 4)..]));
            rest = rest[length..];
        }

        Assert.Equal([0x0A0D_0D0Au, 1u, 6u, 6u, 6u, 6u], types);
    }

    // Commands, their data and their answers, from the first byte of the disk to the last.
    private static void SeesDisk(string path, byte[] content, string filter)
    {
        IReadOnlyList<string[]> bulk = Tshark.Read(path, $"{filter} && usb.capdata", "usbms", "usb.urb_type", "usb.endpoint_address", "usb.capdata");
        Assert.Equal(content, DataOfReads(bulk));
        int commands = bulk.Count(row => row[1] == "0x02" && row[2].Length == 2 * CommandBlockWrapper.Size);
        int answers = bulk.Count(row => row[1] == "0x81" && row[2].Length == 2 * CommandStatusWrapper.Size);
        Assert.True(commands > 3);
        Assert.Equal(commands, answers);
        IReadOnlyList<string[]> ends = Tshark.Read(path, $"{filter} && usb.urb_type == 'C'", "usbms", "usb.urb_status");
        Assert.All(ends, row => Assert.Equal("0", row[0]));
    }

    private static List<string> ReportsOf(string text)
    {
        const int ReportBytes = 8;
        KeyboardDevice keyboard = new(new EventLoop(), UsbSpeed.Full);
        UsbTestHost host = new(keyboard, UsbSpeed.Full);
        host.Configure();
        keyboard.Type(text);
        List<string> reports = [];
        while (host.In(1, ReportBytes, ReportBytes) is (byte[] report, UsbPid.Ack))
            reports.Add(Convert.ToHexStringLower(report));
        return reports;
    }

    private static byte[] Random(int seed, int length)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static string Number(string hex) => Convert.ToInt32(hex, 16).ToString(CultureInfo.InvariantCulture);

    private static decimal Time(string[] row) => decimal.Parse(row[2], CultureInfo.InvariantCulture);

    // The data that follows each READ (10), up to the status.
    private static IEnumerable<byte> DataOfReads(IEnumerable<string[]> bulk)
    {
        bool isRead = false;
        foreach (string[] row in bulk)
        {
            byte[] bytes = Convert.FromHexString(row[2]);
            if (row[1] == "0x02" && bytes.Length == CommandBlockWrapper.Size)
                isRead = bytes[15] == (byte)ScsiOperation.Read10;
            else if (row[1] == "0x81" && isRead && bytes.Length != CommandStatusWrapper.Size)
            {
                foreach (byte value in bytes)
                    yield return value;
            }
        }
    }
}
