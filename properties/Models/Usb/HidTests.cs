using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class HidTests
{
    private const ulong Millisecond = 1_000_000;

    public static TheoryData<UsbSpeed> Speeds => [UsbSpeed.Low, UsbSpeed.Full, UsbSpeed.High];

    private static Gen<KeyUsage> Keys => Gen.OneOf(
        Gen.Choose(4, 20).Select(usage => (KeyUsage)usage),
        Gen.Choose(0xE0, 0xE7).Select(usage => (KeyUsage)usage));

    [Fact]
    public void The_reports_of_a_keyboard_reproduce_the_key_events_in_order() => Property.Check(
        (from key in Keys from isDown in ArbMap.Default.GeneratorFor<bool>() select (key, isDown)).ListOf(),
        events =>
        {
            KeyboardDevice keyboard = new(new());
            UsbTestHost host = Open(keyboard);
            List<KeyUsage> held = [];
            KeyModifiers modifiers = KeyModifiers.None;
            List<KeyboardReport> expected = [];
            foreach ((KeyUsage key, bool isDown) in events)
            {
                Assert.True(isDown ? keyboard.Press(key) : keyboard.Release(key));
                KeyModifiers bit = key >= KeyUsage.LeftControl ? (KeyModifiers)(1 << (int)(key - KeyUsage.LeftControl)) : 0;
                if (bit != 0 ? ((modifiers & bit) != 0) == isDown : held.Contains(key) == isDown)
                    continue;
                if (bit != 0)
                    modifiers ^= bit;
                else if (isDown)
                    held.Add(key);
                else
                    _ = held.Remove(key);
                KeyUsage[] places = held.Count > 6
                    ? [.. Enumerable.Repeat(KeyUsage.RollOver, 6)]
                    : [.. held, .. Enumerable.Repeat(KeyUsage.None, 6 - held.Count)];
                expected.Add(new()
                {
                    Modifiers = modifiers,
                    Key1 = places[0],
                    Key2 = places[1],
                    Key3 = places[2],
                    Key4 = places[3],
                    Key5 = places[4],
                    Key6 = places[5],
                });
            }

            Assert.Equal(expected, Reports(host).Select(report => Packed.Read<KeyboardReport>(report)));
        });

    [Theory]
    [MemberData(nameof(Speeds))]
    public void Text_arrives_as_the_strokes_of_a_US_keyboard(UsbSpeed speed) => Property.Check(
        Gen.Choose(0x20, 0x7E).Select(value => (char)value).ListOf(),
        characters =>
        {
            KeyboardDevice keyboard = new(new(), speed);
            UsbTestHost host = Open(keyboard);
            keyboard.Type(string.Concat(characters) + "\n");
            KeyboardReport before = default;
            List<char> read = [];
            foreach (KeyboardReport report in Reports(host).Select(report => Packed.Read<KeyboardReport>(report)))
            {
                // One key at a time, and what is held changes by one with each report.
                Assert.Equal(1, (before.Modifiers != report.Modifiers ? 1 : 0) + (before.Key1 != report.Key1 ? 1 : 0));
                if (report.Key1 != KeyUsage.None && report.Key1 != before.Key1)
                    read.Add(UsLayout.CharacterOf(report.Key1, report.Modifiers == KeyModifiers.LeftShift));
                before = report;
            }

            Assert.Equal([.. characters, '\n'], read);
            Assert.Equal(default, before);
            Assert.Equal(0, keyboard.Pending);
        },
        count: 30);

    [Fact]
    public void Text_that_no_key_writes_and_keys_that_there_are_not_are_refused()
    {
        KeyboardDevice keyboard = new(new());
        _ = Assert.Throws<ArgumentException>(() => keyboard.Type("na\u00EFve"));
        _ = Assert.Throws<ArgumentException>(() => keyboard.Type(new string('a', KeyboardDevice.TextMax + 1)));
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => keyboard.Press(KeyUsage.RollOver));
        _ = Assert.Throws<ArgumentException>(() => new KeyboardDevice(new(), UsbSpeed.Super));
        Assert.Equal(0, keyboard.Pending);

        // A host that never asks loses keys, and is told of none twice.
        int taken = 0;
        while (keyboard.Press(KeyUsage.A) && keyboard.Release(KeyUsage.A) && taken < 10_000)
            taken++;
        Assert.Equal(KeyboardDevice.ReportsMax / 2, taken);
    }

    [Fact]
    public void A_report_is_repeated_when_the_idle_duration_is_over_and_not_before()
    {
        EventLoop loop = new();
        KeyboardDevice keyboard = new(loop);
        UsbTestHost host = Open(keyboard);
        Assert.Equal(500, keyboard.IdleMs);
        Assert.NotNull(host.ClassRequest((byte)HidRequest.SetIdle, 10 << 8));
        Assert.Equal([10], host.ClassRequest((byte)HidRequest.GetIdle, length: 1)!);
        _ = keyboard.Press(KeyUsage.Q);
        Assert.Equal(0x14, Read(host)![2]);
        loop.RunFor(39 * Millisecond);
        Assert.Null(Read(host));
        loop.RunFor(Millisecond);
        Assert.Equal(0x14, Read(host)![2]);
        Assert.Null(Read(host));

        // News come at once and begin the time anew.
        loop.RunFor(30 * Millisecond);
        _ = keyboard.Release(KeyUsage.Q);
        Assert.Equal(new byte[8], Read(host));
        loop.RunFor(39 * Millisecond);
        Assert.Null(Read(host));

        // Without a duration there is silence.
        Assert.NotNull(host.ClassRequest((byte)HidRequest.SetIdle, 0));
        loop.RunFor(10_000 * Millisecond);
        Assert.Null(Read(host));
    }

    [Fact]
    public void A_report_whose_acknowledgement_is_lost_comes_again_and_no_key_is_lost()
    {
        KeyboardDevice keyboard = new(new());
        UsbTestHost host = Open(keyboard);
        int packets = 0;
        host.LosesAcknowledgement = _ => packets++ % 2 == 0;
        keyboard.Type("ab");
        List<KeyUsage> keys = [];
        while (host.In(1, 8, 8) is { End: UsbPid.Ack } read)
        {
            if (read.Data.Length != 0)
                keys.Add((KeyUsage)read.Data[2]);
        }

        Assert.Equal([KeyUsage.A, KeyUsage.None, KeyUsage.B, KeyUsage.None], keys);
    }

    [Fact]
    public void Class_requests_are_answered_and_others_are_refused()
    {
        KeyboardDevice keyboard = new(new());
        UsbTestHost host = new(keyboard);
        Assert.Null(host.ClassRequest((byte)HidRequest.GetProtocol, length: 1));
        host.Configure();
        Assert.Equal([1], host.ClassRequest((byte)HidRequest.GetProtocol, length: 1)!);
        Assert.NotNull(host.ClassRequest((byte)HidRequest.SetProtocol, 0));
        Assert.Equal([0], host.ClassRequest((byte)HidRequest.GetProtocol, length: 1)!);
        Assert.Equal(HidProtocol.Boot, keyboard.Protocol);
        Assert.Null(host.ClassRequest((byte)HidRequest.SetProtocol, 2));

        Assert.NotNull(host.ClassRequest((byte)HidRequest.SetReport, 0x200, data: [0b11]));
        Assert.Equal(KeyboardLeds.NumLock | KeyboardLeds.CapsLock, keyboard.Leds);
        Assert.Equal([0b11], host.ClassRequest((byte)HidRequest.GetReport, 0x200, length: 1)!);
        Assert.Null(host.ClassRequest((byte)HidRequest.SetReport, 0x200, data: [1, 2]));
        Assert.Null(host.ClassRequest((byte)HidRequest.SetReport, 0x300, data: [1]));
        Assert.Null(host.ClassRequest((byte)HidRequest.SetReport, 0x201, data: [1]));

        _ = keyboard.Press(KeyUsage.RightAlt);
        Assert.Equal([0x40, 0, 0, 0, 0, 0, 0, 0], host.ClassRequest((byte)HidRequest.GetReport, 0x100, length: 8)!);
        Assert.Equal([0x40, 0, 0], host.ClassRequest((byte)HidRequest.GetReport, 0x100, length: 3)!);
        Assert.Null(host.ClassRequest((byte)HidRequest.GetReport, 0x300, length: 8));
        Assert.Null(host.ClassRequest((byte)HidRequest.GetReport, 0x100, index: 1, length: 8));
        Assert.Null(host.ClassRequest(0x42));
        Assert.Equal(UsbPid.None, host.Out(1, new byte[8], 8).End);

        // What GET_REPORT told is no reason to leave it out of the stream.
        Assert.Equal(0x40, Read(host)![0]);
        keyboard.Reset();
        Assert.Equal((HidProtocol.Report, KeyboardLeds.None), (keyboard.Protocol, keyboard.Leds));
    }

    [Fact]
    public void A_halt_keeps_reports_back_until_it_is_cleared()
    {
        KeyboardDevice keyboard = new(new());
        UsbTestHost host = Open(keyboard);
        _ = keyboard.Press(KeyUsage.Z);
        Assert.NotNull(host.Control(new()
        {
            Recipient = RequestRecipient.Endpoint,
            Request = (byte)StandardRequest.SetFeature,
            Value = (ushort)FeatureSelector.EndpointHalt,
            Index = 0x81,
        }));
        Assert.Equal(UsbPid.Stall, host.In(1, 8, 8).End);
        host.ClearHalt(1, isIn: true);
        Assert.Equal((byte)KeyUsage.Z, Read(host)![2]);
    }

    [Fact]
    public void A_suspended_device_wakes_the_host_only_where_it_was_allowed_to()
    {
        KeyboardDevice keyboard = new(new());
        MouseDevice mouse = new(new());
        foreach (StandardDevice device in (StandardDevice[])[keyboard, mouse])
        {
            UsbTestHost host = Open(device);
            int presses = 0;
            device.Suspend();
            Stir();
            Assert.Equal(0, host.Wakes);
            device.Resume();
            SetupPacket wake = new() { Request = (byte)StandardRequest.SetFeature, Value = (ushort)FeatureSelector.DeviceRemoteWakeup };
            Assert.NotNull(host.Control(wake));
            Assert.Equal([2, 0], host.Control(new() { In = true, Request = (byte)StandardRequest.GetStatus, Length = 2 })!);
            Stir();
            Assert.Equal(0, host.Wakes);
            device.Suspend();
            Stir();
            Assert.Equal(1, host.Wakes);
            device.Resume();

            // What woke the host is told afterwards, with all that was before.
            Assert.Equal([1, 3, 7], Reports(host).Select(report => (int)report[0]));

            void Stir()
            {
                bool isDone = device == keyboard ? keyboard.Press((KeyUsage)((int)KeyUsage.LeftControl + presses)) : mouse.Press((MouseButtons)(1 << presses));
                Assert.True(isDone);
                presses++;
            }
        }

        // A disk cannot, and says so.
        UsbTestHost disk = Open(new MassStorageDevice(new MemoryDiskImage(new byte[512])));
        Assert.Null(disk.Control(new() { Request = (byte)StandardRequest.SetFeature, Value = (ushort)FeatureSelector.DeviceRemoteWakeup }));
    }

    [Fact]
    public void The_reports_of_a_mouse_add_up_to_its_way_for_each_state_of_its_buttons() => Property.Check(
        (from kind in Gen.Choose(0, 3)
         from x in Gen.Choose(-600, 600)
         from y in Gen.Choose(-600, 600)
         from fetches in Gen.Elements(false, false, true)
         select (kind, x, y, fetches)).ListOf(),
        steps =>
        {
            MouseDevice mouse = new(new());
            UsbTestHost host = Open(mouse);
            List<(MouseButtons Buttons, int X, int Y, int Wheel)> expected = [(0, 0, 0, 0)];
            List<(MouseButtons Buttons, int X, int Y, int Wheel)> actual = [(0, 0, 0, 0)];
            foreach ((int kind, int x, int y, bool fetches) in steps)
            {
                (MouseButtons buttons, int sumX, int sumY, int sumWheel) = expected[^1];
                MouseButtons button = (MouseButtons)(1 << (int)((uint)y % 3));
                switch (kind)
                {
                    case 0:
                        mouse.Move(x, y);
                        expected[^1] = (buttons, sumX + x, sumY + y, sumWheel);
                        break;
                    case 1:
                        mouse.Scroll(x);
                        expected[^1] = (buttons, sumX, sumY, sumWheel + x);
                        break;
                    default:
                        Assert.True(kind == 2 ? mouse.Press(button) : mouse.Release(button));
                        MouseButtons changed = kind == 2 ? buttons | button : buttons & ~button;
                        if (changed != buttons)
                            expected.Add((changed, 0, 0, 0));
                        break;
                }

                if (fetches)
                    Fetch(Reports(host, 4, most: 2));
            }

            Fetch(Reports(host, 4));
            Assert.Equal(expected, actual);

            void Fetch(IEnumerable<byte[]> reports)
            {
                foreach (MouseReport report in reports.Select(report => Packed.Read<MouseReport>(report)))
                {
                    if (report.Buttons != actual[^1].Buttons)
                        actual.Add((report.Buttons, 0, 0, 0));
                    (MouseButtons buttons, int x, int y, int wheel) = actual[^1];
                    actual[^1] = (buttons, x + report.X, y + report.Y, wheel + report.Wheel);
                }
            }
        });

    [Fact]
    public void The_boot_form_of_a_mouse_has_three_bytes_and_loses_the_wheel()
    {
        MouseDevice mouse = new(new(), UsbSpeed.Full);
        UsbTestHost host = Open(mouse);
        Assert.NotNull(host.ClassRequest((byte)HidRequest.SetProtocol, 0));
        mouse.Move(200, -5);
        mouse.Scroll(500);
        Assert.Equal([[0, 127, 0xFB], [0, 73, 0]], Reports(host, 4));
        Assert.Null(host.ClassRequest((byte)HidRequest.SetReport, 0x200, data: [1]));
        Assert.Null(host.ClassRequest((byte)HidRequest.GetReport, 0x200, length: 1));
    }

    [Fact]
    public void Report_descriptors_describe_the_reports_that_come()
    {
        foreach ((StandardDevice device, int input, int output) in ((StandardDevice, int, int)[])[(new KeyboardDevice(new()), 8, 1), (new MouseDevice(new()), 4, 0)])
        {
            UsbTestHost host = Open(device);
            HidDescriptor hid = Packed.Read<HidDescriptor>(Ask(DescriptorType.Hid));
            byte[] report = Ask(DescriptorType.HidReport);
            Assert.Equal((9, report.Length, DescriptorType.HidReport), (hid.Length, hid.ReportLength, hid.ReportType));
            Assert.True(HidReportForm.TryRead(report, out HidReportForm? form, out string problem), problem);
            Assert.Equal(new(input, output, 0, false), form);
            byte[] configuration = host.Descriptor(DescriptorType.Configuration)!;
            Assert.Equal(input, configuration[9 + 9 + 9 + 4]);

            byte[] Ask(DescriptorType type) => host.Control(new()
            {
                In = true,
                Recipient = RequestRecipient.Interface,
                Request = (byte)StandardRequest.GetDescriptor,
                Value = (ushort)((int)type << 8),
                Length = 255,
            })!;
        }
    }

    [Fact]
    public void Report_descriptors_of_real_devices_are_read_and_cut_ones_refused()
    {
        (string File, HidReportForm Form)[] table =
        [
            ("hidreport_0627-0001_c8c394b8.bin", new(6, 0, 0, false)),
            ("hidreport_04d9-1603_64e658a7.bin", new(4, 0, 0, true)),
            ("hidreport_x_54b4aa6b.bin", new(64, 64, 0, false)),
        ];
        foreach ((string file, HidReportForm form) in table)
        {
            byte[] bytes = File.ReadAllBytes(SharedFiles.Require("corpora/usb-descriptors/" + file));
            Assert.True(HidReportForm.TryRead(bytes, out HidReportForm? read, out string problem), problem);
            Assert.Equal((file, form), (file, read));
            for (int length = 0; length < bytes.Length; length++)
            {
                if (!HidReportForm.TryRead(bytes.AsSpan(0, length), out _, out problem))
                    Assert.StartsWith("Report descriptor, byte ", problem, StringComparison.Ordinal);
            }
        }
    }

    [Theory]
    [InlineData("", "byte 0: there is nothing")]
    [InlineData("A101", "byte 2: a collection is not closed")]
    [InlineData("C0", "byte 0: a collection ends that did not begin")]
    [InlineData("A10175", "byte 2: an item of 2 bytes goes past the end, 1 are left")]
    [InlineData("B4", "byte 0: a state is popped that was not pushed")]
    [InlineData("8500", "byte 0: a report has the number 0")]
    [InlineData("77FFFFFF7F950297FFFFFF7F8102", "byte 12: a report is longer than 65536 bytes")]
    public void Report_descriptors_that_make_no_sense_are_refused_with_the_place(string hex, string problem)
    {
        Assert.False(HidReportForm.TryRead(Convert.FromHexString(hex), out _, out string said));
        Assert.Contains(problem, said, StringComparison.Ordinal);
    }

    [Fact]
    public void Any_bytes_are_read_as_a_report_descriptor_or_refused() => Property.Check(
        ArbMap.Default.GeneratorFor<byte[]>(),
        bytes => Assert.Equal(HidReportForm.TryRead(bytes, out HidReportForm? form, out string problem), form is not null && problem.Length == 0),
        count: 500);

    private static UsbTestHost Open(StandardDevice device)
    {
        UsbTestHost host = new(device);
        host.Configure();
        return host;
    }

    private static byte[]? Read(UsbTestHost host) => host.In(1, 8, 8) is { End: UsbPid.Ack } read ? read.Data : null;

    private static List<byte[]> Reports(UsbTestHost host, int size = 8, int most = 10_000)
    {
        List<byte[]> reports = [];
        while (reports.Count < most && host.In(1, 1, size) is { End: UsbPid.Ack } read)
            reports.Add(read.Data);
        return reports;
    }
}
