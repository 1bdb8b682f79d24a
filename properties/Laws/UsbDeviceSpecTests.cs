using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>USB devices as words of a command line.</summary>
public sealed class UsbDeviceSpecTests
{
    private static Gen<UsbDeviceSpec> Specs => Gen.Sized(size => Spec(Math.Min(size, UsbDeviceSpec.HubsInARowMax)));

    [Fact]
    public void What_is_written_is_read_again_hubs_below_hubs_included() => Property.Check(Specs, spec =>
    {
        Assert.True(UsbDeviceSpec.TryParse(Write(spec), out UsbDeviceSpec? read, out string problem), problem);
        Assert.Equal(Write(spec), Write(read));
        Assert.Equal("", problem);
        Assert.Equal(spec.Kind, UsbDeviceSpec.KindOf(Write(spec)));
    });

    [Fact]
    public void Any_words_are_read_or_refused_with_a_place() => Property.Check(
        Gen.Elements("hub", ":", "(", ")", ";", "=", ",", "disk", "a", "").ArrayOf().Select(string.Concat),
        text =>
        {
            bool isRead = UsbDeviceSpec.TryParse(text, out UsbDeviceSpec? spec, out string problem);
            Assert.Equal(isRead, spec is not null);
            if (!isRead)
                Assert.Matches("at character [0-9]+: ", problem);
        },
        count: 1000);

    [Theory]
    [InlineData("", "at character 1: a device is missing")]
    [InlineData("disk=a.img;", "at character 11: nothing more may follow")]
    [InlineData("disk=a.img,fast", "at character 16: an option has a name")]
    [InlineData("mouse:(disk)", "at character 7: 'mouse' has no devices below it")]
    [InlineData("hub:keyboard", "at character 5: '(' is missing")]
    [InlineData("hub:(keyboard", "at character 14: ')' is missing")]
    [InlineData("hub:(keyboard;)", "at character 15: a device is missing")]
    [InlineData("hub:(hub:(hub:(hub:(hub:(hub:(mouse))))))", "more than 5 hubs in a row")]
    public void Words_that_make_no_sense_are_refused(string text, string problem)
    {
        Assert.False(UsbDeviceSpec.TryParse(text, out _, out string said));
        Assert.Contains(problem, said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("toaster", "'toaster' is no USB device. There are: disk")]
    [InlineData("disk", "'disk' lacks something: disk=FILE")]
    [InlineData("disk=/nowhere/at/all", "does not exist")]
    [InlineData("disk=x,colour=red", "'disk' has no option 'colour'. It has: speed.")]
    [InlineData("disk=x,speed=warp", "'warp' is no speed")]
    [InlineData("disk=x,speed=low", "The disk 'x' does not exist.")]
    [InlineData("keyboard,speed=super", "'keyboard': Keyboards and mice work at low, full and high speed.")]
    [InlineData("keyboard=\u00E9", "'keyboard': No key of a US keyboard writes '\u00E9' (U+00E9).")]
    [InlineData("mouse=x", "'mouse' takes nothing behind '='.")]
    [InlineData("serial,speed=low", "'serial': Serial ports work at full and high speed.")]
    [InlineData("audio-in=/nowhere/at/all", "The file '/nowhere/at/all' cannot be read")]
    [InlineData("audio-out=/nowhere/at/all", "The file '/nowhere/at/all' cannot be written")]
    [InlineData("descriptors=/tmp", "The file '/tmp' cannot be read")]
    [InlineData("descriptors=/dev/null", "is no recording of a device. Byte 0: this begins neither as a device descriptor")]
    [InlineData("hub=4:()", "'hub' takes nothing behind '='")]
    [InlineData("hub,speed=low:()", "'hub': A hub is of high or full speed.")]
    [InlineData("hub:(mouse;mouse;mouse;mouse;mouse;mouse;mouse;mouse;mouse;mouse;mouse;mouse;mouse;mouse;mouse;mouse)", "A hub has 15 ports at most.")]
    public void Devices_that_cannot_be_had_are_refused(string text, string problem)
    {
        using UsbDeviceFactory factory = new(new EventLoop());
        Assert.False(factory.TryCreate(text, out _, out string said));
        Assert.Contains(problem, said, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_kind_of_device_can_be_had_and_a_hub_gets_what_is_below_it()
    {
        using TemporaryFile disk = new(), sound = new(), descriptors = new();
        File.WriteAllBytes(disk.Path, new byte[1024]);
        File.WriteAllBytes(sound.Path, new byte[96]);
        File.WriteAllBytes(descriptors.Path, Convert.FromHexString("09021900010100803209040000010300000007058103080001"));
        using (UsbDeviceFactory factory = new(new EventLoop()))
        {
            string all = string.Join(';',
                $"disk={disk.Path},speed=full", $"uas={disk.Path},speed=super", "keyboard=hello", "mouse", $"audio-in={sound.Path}", "audio-in",
                "audio-out", "serial", $"descriptors={descriptors.Path}");
            Assert.True(factory.TryCreate($"hub,speed=full:({all};hub:(mouse))", out IUsbDevice? hub, out string problem), problem);
            IUsbDevice[] below = [.. hub.Downstream.Select(port => port.Device!)];
            Assert.Equal(
                [typeof(MassStorageDevice), typeof(UasDevice), typeof(KeyboardDevice), typeof(MouseDevice), typeof(AudioSourceDevice), typeof(AudioSourceDevice),
                    typeof(AudioSinkDevice), typeof(SerialDevice), typeof(DescribedDevice), typeof(UsbHub)],
                below.Select(device => device.GetType()));
            Assert.Equal([UsbSpeed.Full, UsbSpeed.Super, UsbSpeed.High], below[..3].Select(device => device.Speed));
            Assert.Equal(UsbSpeed.Full, hub.Speed);
            Assert.Equal([typeof(MouseDevice), null, null, null], below[^1].Downstream.Select(port => port.Device?.GetType()));
            Assert.Equal(5, ((KeyboardDevice)below[2]).Pending);
            Assert.All(UsbDeviceFactory.Kinds, kind => Assert.True(UsbDeviceFactory.Knows(kind.Name + "=x")));
            Assert.All(UsbDeviceFactory.Kinds, kind => Assert.Contains(kind.Name, UsbDeviceFactory.Help, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void What_a_speaker_plays_is_in_its_file()
    {
        using TemporaryFile sound = new();
        EventLoop loop = new();
        using (UsbDeviceFactory factory = new(loop))
        {
            Assert.True(factory.TryCreate($"audio-out={sound.Path},speed=full", out IUsbDevice? device, out string problem), problem);
            UsbTestHost host = new(device);
            host.Configure();
            Assert.True(host.SetInterface(1, 1));
            host.IsochronousOut(1, [1, 2, 3, 4]);
            loop.RunFor(5_000_000);
            host.IsochronousOut(1, [5, 6, 7, 8]);
            Assert.True(host.SetInterface(1, 0));
        }

        byte[] heard = File.ReadAllBytes(sound.Path);
        Assert.Equal([1, 2, 3, 4], heard[..4]);
        Assert.Equal([5, 6, 7, 8], heard[^4..]);
        Assert.All(heard[4..^4], sample => Assert.Equal(0, sample));
    }

    private static Gen<UsbDeviceSpec> Spec(int depth) =>
        from kind in Gen.Elements("disk", "keyboard", "x")
        from argument in Gen.Elements(null, "", "a.img", "k=v", "/dev/x:y")
        from options in (from name in Gen.Elements("speed", "o") from value in Gen.Elements("", "full", "a=b") select (name, value)).ListOf()
        from isHub in Gen.Elements(false, depth > 0)
        from below in depth > 0 && isHub ? Spec(depth - 1).ListOf(2) : Gen.Constant(new List<UsbDeviceSpec>())
        select new UsbDeviceSpec(isHub ? UsbDeviceSpec.Hub : kind, isHub ? null : argument, [.. options.Take(3)], [.. below]);

    private static string Write(UsbDeviceSpec spec)
    {
        string argument = spec.Argument is null ? "" : "=" + spec.Argument;
        string options = string.Concat(spec.Options.Select(option => $",{option.Name}={option.Value}"));
        string below = spec.Kind == UsbDeviceSpec.Hub ? $":({string.Join(';', spec.Below.Select(Write))})" : "";
        return spec.Kind + argument + options + below;
    }
}
