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
    [InlineData("hub=4:()", "'hub' takes nothing behind '='")]
    [InlineData("hub:()", "There are no hubs here.")]
    public void Devices_that_cannot_be_had_are_refused(string text, string problem)
    {
        using UsbDeviceFactory factory = new(new EventLoop());
        Assert.False(factory.TryCreate(text, out _, out string said));
        Assert.Contains(problem, said, StringComparison.Ordinal);
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
